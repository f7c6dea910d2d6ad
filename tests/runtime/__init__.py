"""Tests of the runtime. They import no training library, so that `make test-oldest` runs them without one."""
