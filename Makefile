# Two targets do everything on a fresh Debian or Ubuntu with Python >= 3.11: `make demo`, `make test`.
# `make docs` builds the documentation into site/, `make hooks` runs lint before every commit.
PYTHON ?= python3
VENV   ?= .venv
# The version that is tested. Any torch >= 2.11 works; a CPU build is enough and much smaller.
TORCH  ?= torch==2.13.0
BIN    := $(VENV)/bin
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
NANO   := modeling_empathic/nano

# Each worker has libraries of 1 GB and costly fixtures of its own: more than four gain little.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -lt 4 ] && echo $$n || echo 4)
# Half of the tests each, in order, so that what a folder shares is made once; who is done takes
# half of what the other has left.
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --durations 20

.PHONY: demo test slow test-lowest test-latest programs lint docs hooks nano clips browser bench clean

demo: $(VENV)/.installed
	@mkdir -p demo
	$(BIN)/emonet-voice score examples/clips --output demo/scores.parquet --overwrite
	$(BIN)/python examples/plot_scores.py demo/scores.parquet demo/scores.png
	@echo
	@echo "demo/scores.parquet has every score, demo/scores.png shows them. Nano made them;"
	@echo "'emonet-voice models' says what the large ones take. Next, with your clips if you like:"
	@echo
	@echo "    source $(VENV)/bin/activate"
	@echo "    emonet-voice score examples/clips --output scores.parquet"

test: lint programs
	$(PYTEST)

# What `make test` leaves out: full-size heads, clean environments. An hour, and downloads.
slow: programs
	$(PYTEST) -m slow

# Do the core's tests pass with the lowest versions that pyproject.toml allows, and with the newest that
# there are? Each in an environment of its own: make test-lowest TESTS=tests/metric
TESTS  ?= tests/model tests/metric tests/scoring
EXTRAS := plot acoustics train metric
test-lowest test-latest: test-%:
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python .ci/versions.py $* $(EXTRAS) > .venv-$*/requirements.txt
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
	  --requirement .venv-$*/requirements.txt pytest pytest-xdist hypothesis setuptools
	.venv-$*/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	.venv-$*/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(TESTS)

# datasets decodes audio by torchcodec, which needs FFmpeg's libraries; the Spaces are tested in a
# browser.
programs: $(VENV)/.installed-dev
	@for program in ffmpeg chromium; do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	  [ -z "$$missing" ] || { echo "installing$$missing"; $(SUDO) apt-get update -qq \
	  && $(SUDO) apt-get install -y -qq $$missing fonts-noto-color-emoji >/dev/null; }

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy --num-workers $(WORKERS)

# Offline: what is written comes from the READMEs and the docstrings, without fonts of others.
docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

hooks: $(VENV)/.installed-dev
	$(BIN)/pre-commit install

# Rebuilds the embedded checkpoint: make nano ENCODER=path/to/whisper-tiny.en EMODB=path/to/emodb
# UNSEEN=path/to/nemo also measures it on a corpus that it never met
nano: $(VENV)/.installed-dev
	$(BIN)/python examples/train_nano.py --encoder $(ENCODER) --emodb $(EMODB) \
	  $(if $(UNSEEN),--unseen $(UNSEEN)) --output $(NANO)

clips: $(VENV)/.installed-dev
	$(BIN)/python examples/make_clips.py

# The page that scores in the browser: its runtime from npm, its model from Nano. Both are ignored by
# git and found there by `publish stage`.
browser: $(VENV)/.installed-dev
	npm install --prefix examples/browser --no-package-lock
	rm -rf examples/browser/model
	$(BIN)/emonet-voice convert nano examples/browser/model --to onnx --dtype float16
	@echo "$(BIN)/python -m http.server --directory examples/browser"

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/head_layout.py
	$(BIN)/python benchmarks/score_vs_loop.py

# Debian and Ubuntu keep venv in a package of its own.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python >= 3.11 is needed; set PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "installing python3-venv"; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv $(VENV)

# pip says either nothing for minutes or every file: a line every ten seconds says that it is alive.
# What waits does so without the output of `make`, which would stay open after the end.
INSTALL = @( s=0; while sleep 10 >/dev/null 2>&1; do s=$$((s + 10)); echo "... $(1), $$s s"; done ) \
	  & alive=$$!; trap "kill $$alive" EXIT; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV): a minute or three the first time, most of it PyTorch"
	$(call INSTALL,installing PyTorch) "$(TORCH)"
	$(call INSTALL,installing the rest) --editable ".[plot]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing what the tests need into $(VENV)"
	$(call INSTALL,installing) --editable ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) .venv-lowest .venv-latest demo site build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
