"""Weights: where they come from, how they load, train, are kept and handed on. Torch starts here."""

from whet.models import pages

pages.keep()
