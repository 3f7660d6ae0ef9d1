# Loquat. `make` builds build/loquat; `make help` lists the rest.
CC ?= gcc
CFLAGS ?= -O3
WARN := -Wall -Wextra -Wconversion -Werror
STD := -std=c11 -D_GNU_SOURCE -ffp-contract=off -Isrc
DEPS = -MMD -MP

SRC := $(sort $(wildcard src/*.c src/*/*.c))
OBJ := $(SRC:src/%.c=build/obj/%.o)
LIB_OBJ := $(filter-out build/obj/cli/%,$(OBJ))
ARCH := $(shell $(CC) -dumpmachine 2>/dev/null)

.PHONY: all
all: build/loquat ## build/loquat, the command line (default)

build/loquat: $(OBJ)
	$(CC) $(LDFLAGS) -o $@ $(OBJ) -pthread -lm

# One instruction set per file: only kernel/select.c decides which table runs.
ifneq ($(filter x86_64%,$(ARCH)),)
ISA_avx2 := -mavx2 -mfma -mf16c
ISA_vnni := -mavx2 -mfma -mf16c -mavxvnni
endif

build/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) $(CFLAGS) $(ISA_$(*F)) $(DEPS) -pthread -c -o $@ $<

# ---- tests ----
CACHE := $(or $(LOQUAT_CACHE),$(HOME)/.cache/loquat)
VENV := $(CACHE)/venv
UNIT := $(sort $(wildcard tests/unit/*.c))
# What the unit tests link: every room whose tests are here.
UNIT_SRC := $(sort $(wildcard src/base/*.c src/quant/*.c src/gguf/*.c src/kernel/*.c src/nn/*.c src/model/*.c src/decode/*.c))
UNIT_H := $(wildcard src/*/*.h tests/unit/*.h)
SAN := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,build/test/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

build/test/unit-sanitized/run: $(UNIT) $(UNIT_SRC) $(UNIT_H)
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) $(SAN) -o $@ $(UNIT) $(UNIT_SRC) -pthread -lm

build/test/unit-ndebug/run: $(UNIT) $(UNIT_SRC) $(UNIT_H)
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) -O2 -DNDEBUG -o $@ $(UNIT) $(UNIT_SRC) -pthread -lm

build/test/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(UNIT_SRC) $(UNIT_H)
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) $(SAN) -o $@ $< tests/fuzz/replay.c $(UNIT_SRC) -pthread -lm

# A machine without the package registry still runs the rest; tests/run.sh says loudly what it skipped.
$(VENV)/installed: tests/requirements.txt
	@mkdir -p $(CACHE)
	-python3 -m venv $(VENV) && $(VENV)/bin/pip install -q -r tests/requirements.txt && cp $< $@

.PHONY: setup
setup: ## install what the tests need (Debian packages only where missing)
	@for c in $(CC) python3 node; do command -v $$c >/dev/null || missing=1; done; \
	python3 -c 'import ensurepip' 2>/dev/null || missing=1; \
	if [ -n "$$missing" ]; then apt-get update && apt-get install -y gcc make python3 python3-venv nodejs; fi

.PHONY: run
run: ## serve the page; PORT=n chooses the port (needs node 18 or newer, no compiler)
	node web/serve.mjs $(if $(PORT),--port $(PORT))

.PHONY: models
models: ## fetch the chat model (SmolLM2-135M-Instruct, 99 MB) into models/
	python3 models/fetch.py

.PHONY: test
test: setup $(VENV)/installed build/loquat build/test/unit-sanitized/run build/test/unit-ndebug/run $(FUZZ) ## install what the tests need, run everything
	@LOQUAT_VENV=$(VENV) LOQUAT_CACHE=$(CACHE) tests/run.sh

# ---- the translation model: CORPUS=FOLDER names the text, TRAIN the folder that is kept between runs, MINUTES the time it may take ----
TRAIN_VENV := $(CACHE)/train-venv
TRAIN ?= $(CACHE)/train
MINUTES ?= 120
PY := OMP_WAIT_POLICY=passive $(TRAIN_VENV)/bin/python models/train

$(TRAIN_VENV)/installed: models/train/requirements.txt
	@mkdir -p $(CACHE)
	python3 -m venv $(TRAIN_VENV) && $(TRAIN_VENV)/bin/pip install -q -r $< && cp $< $@

$(TRAIN)/spm.model: | $(TRAIN_VENV)/installed
	@mkdir -p $(TRAIN)
	$(PY)/tokenizer.py --corpus $(CORPUS) --out $(@:.model=)

.PHONY: train
train: $(TRAIN)/spm.model ## train the translation model (models/train/README.md): CORPUS=FOLDER [MINUTES=120] [TRAIN=FOLDER]
	$(PY)/train.py --corpus $(CORPUS) --tokenizer $< --out $(TRAIN) --minutes $(MINUTES) $(if $(INIT),--init $(INIT)) $(TRAIN_FLAGS)
	$(PY)/export.py $(TRAIN)/checkpoint.pt $(TRAIN)/hf --tokenizer $<
	$(TRAIN_VENV)/bin/python models/convert.py $(TRAIN)/hf -o $(TRAIN)/fr-en.gguf --type q8_0 --name fr-en --license mit --languages fr,en

.PHONY: eval-model
eval-model: build/loquat $(TRAIN_VENV)/installed ## BLEU, chrF and the behaviour table: CORPUS=FOLDER [GGUF=FILE] [TRAIN=FOLDER] [LINES=500]
	$(PY)/evaluate.py --corpus $(CORPUS) --cases --gguf $(or $(GGUF),models/fr-en.gguf) $(if $(LINES),--lines $(LINES)) $(EVAL_FLAGS) \
	  $(if $(wildcard $(TRAIN)/checkpoint.pt),--checkpoint $(TRAIN)/checkpoint.pt --tokenizer $(TRAIN)/spm.model --beams 4)

.PHONY: test-train
test-train: $(TRAIN_VENV)/installed ## tests of the training recipe (installs PyTorch)
	$(PY)/test_train.py

.PHONY: clean
clean: ## remove what was built
	rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

-include $(OBJ:.o=.d)
