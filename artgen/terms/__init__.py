"""Kinds of prompt terms: words, pictures. One file each."""

from artgen.terms.base import TermKind, term_kinds

__all__ = ["TermKind", "term_kinds"]
