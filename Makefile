# make demo       name the flower in a photograph, with the model inside
# make test       formatting, types and tests
# make test-slow  the tests that take minutes: a run killed twenty times
# make pipeline   DATA=… WEIGHTS=…   fine-tune, export and report on a short schedule
# make clean      remove what demo and test made

PYTHON ?= python3
DEMO := .venv/demo
DEV := .venv/dev
DATA ?= data
OUTPUT ?= runs/pipeline
# A few epochs on small crops: minutes, not the recipe behind the model inside (that is the default without options).
SCHEDULE ?= --epochs 3 --size 128
CHECK_PYTHON = @$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and \
  'Python 3.11 or newer is needed: make PYTHON=python3.12 …')"
PIP := -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test test-slow pipeline clean
.DELETE_ON_ERROR:

demo: $(DEMO)/.ready
	@photos=$$($(DEMO)/bin/python -c "import importlib.util as u, pathlib as p; \
	  print(p.Path(u.find_spec('sklearn').origin).parent / 'datasets/images')") && \
	  command=$$(pwd)/$(DEMO)/bin/flower-infer && cd "$$photos" && echo "$$ flower-infer flower.jpg" && "$$command" flower.jpg
	@echo && echo "Yours: $(DEMO)/bin/flower-infer photo.jpg"

test: $(DEV)/.ready
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(DEV)/bin/python -m pytest -m "not slow"

test-slow: $(DEV)/.ready
	$(DEV)/bin/python -m pytest -m slow

pipeline: $(DEV)/.ready
	$(DEV)/bin/python -m finetune --data $(DATA) $(if $(WEIGHTS),--weights $(WEIGHTS)) --output $(OUTPUT) $(SCHEDULE) \
	  $(if $(wildcard $(OUTPUT)/last.pt),--resume)
	$(DEV)/bin/python -m export --checkpoint $(OUTPUT)/best.pt --data $(DATA) --quantize int8
	$(DEV)/bin/python -m benchmarks --checkpoint $(OUTPUT)/best.pt --data $(DATA) --rounds 50 --output $(OUTPUT)/report \
	  --models $(OUTPUT)/flowers-resnet50-fp32.onnx $(OUTPUT)/flowers-resnet50-int8.onnx

# The bare install, as a device has it; scikit-learn only for the photograph in its package, without what it depends on.
$(DEMO)/.ready: pyproject.toml constraints.txt $(shell find runtime flower_edge setup.py -type f -not -name '*.pyc')
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP) .
	$(DEMO)/bin/python $(PIP) --no-deps scikit-learn
	@touch $@

$(DEV)/.ready: pyproject.toml constraints.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
