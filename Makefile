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

.PHONY: clean
clean: ## remove what was built
	rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

-include $(OBJ:.o=.d)
