# make demo         name the flower in a photograph, with the model inside
# make test         formatting, types and tests
# make test-slow    the tests that take minutes: killed training runs, the wheel and the sdist in fresh environments
# make test-oldest  the runtime's tests with the oldest versions of its dependencies
# make coverage     the share of branches that `make test` runs
# make pipeline     DATA=… WEIGHTS=…   fine-tune, export and report on a short schedule
# make gpu          DATA=… WHEELS=…   measure an NVIDIA GPU, which must have its driver; WHEELS is a folder of wheels to use
#                   instead of the network
# make clean        remove what the targets above made

PYTHON ?= python3
DEMO := .venv/demo
DEV := .venv/dev
OLDEST := .venv/oldest
GPU := .venv/gpu
JAVASCRIPT := tests/export/web/javascript
PHONE_JAVASCRIPT := tests/export/mobile/javascript
DATA ?= data
OUTPUT ?= runs/pipeline
REPORT ?= benchmarks/report
WHEELS ?=
RESTORED := runs/gpu/restored.pt
FULL_MODEL := runtime/models/flowers-resnet50-int8.onnx
# A few epochs on small crops, which take minutes. The model inside was made by the default recipe instead.
SCHEDULE ?= --epochs 3 --size 128
CHECK_PYTHON = @$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and \
  'Python 3.11 or newer is needed: make PYTHON=python3.12 …')"
INSTALL := -m pip --disable-pip-version-check install --quiet
PIP := $(INSTALL) --constraint constraints.txt
# Two worker processes. Each computes in one thread, so that they do not compete for the same two cores.
PYTEST := env OMP_NUM_THREADS=1 $(DEV)/bin/python -m pytest
# In the order of the folders: the slow files of tests/benchmarks come first, and nothing long is left for the end.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
PHOTO = flower.jpg

.PHONY: demo test test-slow test-oldest coverage pipeline gpu clean
.DELETE_ON_ERROR:

demo: $(DEMO)/.ready
	@photos=$$($(DEMO)/bin/python -c "import importlib.util as u, pathlib as p; \
	  print(p.Path(u.find_spec('sklearn').origin).parent / 'datasets/images')") && \
	  command=$$(pwd)/$(DEMO)/bin/flower-infer && cd "$$photos" && echo "$$ flower-infer $(PHOTO)" && "$$command" $(PHOTO)
	@echo && echo "The command for your own photos: $(DEMO)/bin/flower-infer photo.jpg"

test: $(DEV)/.ready
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(PYTEST) $(PARALLEL) -m "not slow" --durations 10

test-slow: $(DEV)/.ready
	$(PYTEST) -m slow

test-oldest: $(OLDEST)/.ready
	$(OLDEST)/bin/python -m pytest tests/runtime

coverage: $(DEV)/.ready
	$(PYTEST) $(PARALLEL) -m "not slow" --cov --cov-report term:skip-covered

pipeline: $(DEV)/.ready
	$(DEV)/bin/python -m finetune --data $(DATA) $(if $(WEIGHTS),--weights $(WEIGHTS)) --output $(OUTPUT) $(SCHEDULE) \
	  $(if $(wildcard $(OUTPUT)/last.pt),--resume)
	$(DEV)/bin/python -m export --checkpoint $(OUTPUT)/best.pt --data $(DATA) --quantize int8
	$(DEV)/bin/python -m benchmarks --checkpoint $(OUTPUT)/best.pt --data $(DATA) --rounds 50 --report $(OUTPUT)/report \
	  --models $(OUTPUT)/*-resnet50-fp32.onnx $(OUTPUT)/*-resnet50-int8.onnx

# Planned to end within ten minutes on eight cores: four for the installation from wheels, one for the checkpoint, five for
# the suite (benchmarks/suites/processors/gpu.py). The driver is looked for before gigabytes are installed.
gpu:
	@command -v nvidia-smi >/dev/null || { echo "make gpu: nvidia-smi is missing; it needs an NVIDIA GPU with its driver"; exit 1; }
	@test -d $(DATA) || { echo "make gpu: $(DATA) is no folder; give the data set with DATA=…"; exit 1; }
	$(MAKE) $(RESTORED)
	$(GPU)/bin/python -m benchmarks gpu --checkpoint $(RESTORED) --data $(DATA) --report $(REPORT)

$(RESTORED): $(FULL_MODEL) | $(GPU)/.ready
	$(GPU)/bin/python -m export restore $(FULL_MODEL) --data $(DATA) --output $@

# The bare install, as on a device. scikit-learn is installed without its dependencies, only for a photograph inside it.
$(DEMO)/.ready: pyproject.toml setup.py constraints.txt $(shell find runtime flower_edge -type f -not -name '*.pyc')
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP) .
	$(DEMO)/bin/python $(PIP) --no-deps scikit-learn
	@touch $@

# Without npm, the tests of the page's JavaScript are skipped.
$(DEV)/.ready: pyproject.toml setup.py constraints.txt $(JAVASCRIPT)/package-lock.json $(PHONE_JAVASCRIPT)/package-lock.json
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) --editable '.[dev]'
	if command -v npm >/dev/null; then npm ci --ignore-scripts --silent --prefix $(JAVASCRIPT) || echo "npm failed: the tests of the page are skipped"; fi
	if command -v npm >/dev/null; then npm ci --ignore-scripts --silent --prefix $(PHONE_JAVASCRIPT) || echo "npm failed: the test with onnxruntime-node is skipped"; fi
	@touch $@

# pip has no way to let onnxruntime-gpu take the place of onnxruntime, whose files it has too. So one is removed before the
# other is installed. Without TensorRT, the report says that it is missing. Its package on PyPI fetches the libraries from
# NVIDIA, and tries for many minutes where that cannot be reached.
GPU_PIP = $(INSTALL) $(if $(WHEELS),--no-index --find-links $(WHEELS))
$(GPU)/.ready: pyproject.toml setup.py constraints.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(GPU)
	$(GPU)/bin/python $(GPU_PIP) --constraint constraints.txt --editable '.[bench]'
	$(GPU)/bin/python -m pip uninstall --quiet --yes onnxruntime onnxruntime-gpu
	$(GPU)/bin/python $(GPU_PIP) 'onnxruntime-gpu[cuda,cudnn]'
	$(if $(WHEELS),,timeout 120) $(GPU)/bin/python $(GPU_PIP) 'tensorrt-cu13<11' || echo "TensorRT cannot be installed: it is not measured"
	@touch $@

# onnx writes the tests' model files; it is no dependency of the runtime.
$(OLDEST)/.ready: tests/runtime/oldest.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python $(INSTALL) --requirement tests/runtime/oldest.txt hypothesis onnx pytest
	@touch $@

clean:
	rm -rf .venv $(JAVASCRIPT)/node_modules $(PHONE_JAVASCRIPT)/node_modules build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
