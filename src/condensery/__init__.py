"""Condensery."""
