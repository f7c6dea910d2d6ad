"""Tests of the project as a whole: its structure, its commands, its documents and what pip installs."""
