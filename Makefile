# Loquat. `make` builds build/loquat; `make help` lists the rest.
CC ?= gcc
CFLAGS ?= -O3
WARN := -Wall -Wextra -Wconversion -Werror
STD := -std=c11 -D_GNU_SOURCE -ffp-contract=off -Isrc
DEPS = -MMD -MP
# V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  CC $@")

SRC := $(sort $(wildcard src/*.c src/*/*.c))
OBJ := $(SRC:src/%.c=build/obj/%.o)
LIB_OBJ := $(filter-out build/obj/cli/%,$(OBJ))

.PHONY: all
all: build/loquat ## build/loquat, the command line (default)

build/loquat: $(OBJ)
	$(say)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(OBJ) -pthread -lm

build/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(say)
	$(Q)$(CC) $(STD) $(WARN) $(CFLAGS) $(DEPS) -pthread -c -o $@ $<

# ---- tests ----
CACHE := $(or $(LOQUAT_CACHE),$(HOME)/.cache/loquat)
VENV := $(CACHE)/venv
UNIT := $(sort $(wildcard tests/unit/*.c))
TEST_H := $(wildcard tests/*/*.h)
# Allocations of the code under test go through the unit tests, which let them fail and count them.
WRAP := -DLQ_TEST_WRAP -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
SAN := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,build/test/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
# The library twice, for everything below: with the sanitizers, and as released but without its assertions.
SAN_LIB := $(LIB_OBJ:build/obj/%=build/test/san/%)
NDEBUG_LIB := $(LIB_OBJ:build/obj/%=build/test/ndebug/%)

build/test/san/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(say)
	$(Q)$(CC) $(STD) $(WARN) $(SAN) $(DEPS) -pthread -c -o $@ $<

build/test/ndebug/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(say)
	$(Q)$(CC) $(STD) $(WARN) -O2 -DNDEBUG $(DEPS) -pthread -c -o $@ $<

build/test/unit-sanitized/run: $(UNIT) $(SAN_LIB) $(TEST_H)
	@mkdir -p $(@D)
	$(say)
	$(Q)$(CC) $(STD) $(WARN) $(SAN) $(WRAP) -o $@ $(UNIT) $(SAN_LIB) -pthread -lm

build/test/unit-ndebug/run: $(UNIT) $(NDEBUG_LIB) $(TEST_H)
	@mkdir -p $(@D)
	$(say)
	$(Q)$(CC) $(STD) $(WARN) -O2 -DNDEBUG $(WRAP) -o $@ $(UNIT) $(NDEBUG_LIB) -pthread -lm

build/test/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(SAN_LIB)
	@mkdir -p $(@D)
	$(say)
	$(Q)$(CC) $(STD) $(WARN) $(SAN) -o $@ $< tests/fuzz/replay.c $(SAN_LIB) -pthread -lm

# The same targets on random changes of their corpus: make fuzz FUZZ_TARGET=model SECONDS=600
build/test/mutate/%: tests/fuzz/fuzz_%.c tests/fuzz/mutate.c $(SAN_LIB)
	@mkdir -p $(@D)
	$(say)
	$(Q)$(CC) $(STD) $(WARN) $(SAN) -o $@ $< tests/fuzz/mutate.c $(SAN_LIB) -pthread -lm

.PHONY: fuzz
fuzz: build/test/mutate/$(or $(FUZZ_TARGET),model) ## change the corpus of FUZZ_TARGET (a folder of tests/fuzz/corpus) at random for SECONDS
	cd build && test/mutate/$(or $(FUZZ_TARGET),model) ../tests/fuzz/corpus/$(or $(FUZZ_TARGET),model) $(or $(SECONDS),60)

# Records of text or ids on stdin -> ids or text on stdout, for tests/tokenizer/compare.py.
build/test/tokens: tests/tokenizer/tokens.c $(SAN_LIB)
	@mkdir -p $(@D)
	$(say)
	$(Q)$(CC) $(STD) $(WARN) $(SAN) -o $@ $< $(SAN_LIB) -pthread -lm

# A machine without the package registry still runs the rest; tests/run.sh says loudly what it skipped.
$(VENV)/installed: tests/requirements.txt
	@mkdir -p $(CACHE)
	-python3 -m venv $(VENV) && $(VENV)/bin/pip install -q -r tests/requirements.txt && cp $< $@

.PHONY: setup
setup: ## install what the tests need (Debian packages only where missing)
	@for c in $(CC) python3 node; do command -v $$c >/dev/null || missing=1; done; \
	python3 -c 'import ensurepip' 2>/dev/null || missing=1; \
	if [ -n "$$missing" ]; then apt-get update && apt-get install -y gcc make python3 python3-venv nodejs; fi
	-@for c in npm chromium; do command -v $$c >/dev/null || { apt-get update && apt-get install -y $$c; }; done

# What drives the browser, checks the page for readers and types; the same rule as above when there is no registry.
node_modules/installed: package.json package-lock.json
	-npm ci --silent && touch $@

.PHONY: wasm
wasm: ## rebuild the wasm modules in web/ (makes the toolchain if there is none)
	@LOQUAT_PINNED=$(LOQUAT_PINNED) $(MAKE) --no-print-directory -f wasm/Makefile

.PHONY: run
run: ## serve the page; PORT=n chooses the port (needs node 18 or newer, no compiler)
	node web/serve.mjs $(if $(PORT),--port $(PORT))

.PHONY: models
models: ## fetch the chat model (SmolLM2-135M-Instruct, 99 MB) into models/
	python3 models/fetch.py

.PHONY: models-gemma
models-gemma: ## fetch Gemma 3 270M (253 MB, under the Gemma Terms of Use) into models/
	python3 models/gemma.py

.PHONY: models-minilm
models-minilm: $(VENV)/installed ## fetch all-MiniLM-L6-v2, for search by meaning, and convert it (24 MB in models/)
	$(VENV)/bin/python models/minilm.py

.PHONY: bench
bench: build/loquat ## Loquat beside wllama in Chromium: speeds, start-up, sizes (BENCH_ROUNDS=3; see tests/bench/run.mjs)
	node tests/bench/run.mjs

build/bench/kernels: tests/bench/kernels.c tests/bench/peaks.c tests/bench/peaks.h $(filter build/obj/kernel/% build/obj/quant/%,$(OBJ))
	@mkdir -p $(@D)
	$(say)
	$(Q)$(CC) $(STD) $(WARN) $(CFLAGS) -o $@ $(filter %.c %.o,$^) -lm

.PHONY: bench-kernels
bench-kernels: build/bench/kernels ## every kernel, native and in Chromium, beside the machine's ceilings
	node tests/bench/kernels.mjs

.PHONY: test test-builds
test-builds: build/loquat build/test/unit-sanitized/run build/test/unit-ndebug/run build/test/tokens $(FUZZ)

test: setup $(VENV)/installed node_modules/installed ## install what the tests need, run everything
	@$(MAKE) --no-print-directory -j$(or $(shell nproc),1) test-builds
	@LOQUAT_VENV=$(VENV) LOQUAT_CACHE=$(CACHE) tests/run.sh

# ---- the translation model: CORPUS=FOLDER names the text, TRAIN the folder that is kept between runs, MINUTES the time it may take ----
TRAIN_VENV := $(CACHE)/train-venv
TRAIN ?= $(CACHE)/train
MINUTES ?= 120
NEED_CORPUS = $(or $(CORPUS),$(error name the text: CORPUS=FOLDER with train/NAME.tsv.xz and dev/NAME.tsv.xz))
PY := OMP_WAIT_POLICY=passive $(TRAIN_VENV)/bin/python models/train

$(TRAIN_VENV)/installed: models/train/requirements.txt
	@mkdir -p $(CACHE)
	python3 -m venv $(TRAIN_VENV) && $(TRAIN_VENV)/bin/pip install -q -r $< && cp $< $@

$(TRAIN)/spm.model: | $(TRAIN_VENV)/installed
	@mkdir -p $(TRAIN)
	$(PY)/tokenizer.py --corpus $(NEED_CORPUS) --out $(@:.model=)

.PHONY: train
train: $(TRAIN)/spm.model ## train the translation model (models/train/README.md): CORPUS=FOLDER [MINUTES=120] [TRAIN=FOLDER]
	$(PY)/train.py --corpus $(NEED_CORPUS) --tokenizer $< --out $(TRAIN) --minutes $(MINUTES) $(if $(INIT),--init $(INIT)) $(TRAIN_FLAGS)
	$(PY)/export.py $(TRAIN)/checkpoint.pt $(TRAIN)/hf --tokenizer $<
	$(TRAIN_VENV)/bin/python models/convert.py $(TRAIN)/hf -o $(TRAIN)/fr-en.gguf --type q8_0 --name fr-en --license mit --languages fr,en

.PHONY: eval-model
eval-model: build/loquat $(TRAIN_VENV)/installed ## BLEU, chrF and the behaviour table: CORPUS=FOLDER [GGUF=FILE] [TRAIN=FOLDER] [LINES=500]
	$(PY)/evaluate.py --corpus $(NEED_CORPUS) --cases --gguf $(or $(GGUF),models/fr-en.gguf) $(if $(LINES),--lines $(LINES)) $(EVAL_FLAGS) \
	  $(if $(wildcard $(TRAIN)/checkpoint.pt),--checkpoint $(TRAIN)/checkpoint.pt --tokenizer $(TRAIN)/spm.model --beams 4)

.PHONY: test-train
test-train: $(TRAIN_VENV)/installed ## tests of the training recipe (installs PyTorch)
	$(PY)/test_train.py

.PHONY: clean
clean: ## remove what was built
	rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

-include $(OBJ:.o=.d) $(SAN_LIB:.o=.d) $(NDEBUG_LIB:.o=.d)
