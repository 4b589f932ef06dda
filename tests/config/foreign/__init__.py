"""Tests of what becomes of other tools' sweep files."""
