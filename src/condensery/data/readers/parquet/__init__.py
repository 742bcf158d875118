"""Parquet files in the image layout of Hugging Face, and similar tables."""
