"""``condensery push``: publish a condensed file as a data set of the Hugging Face Hub."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the file, the name, the licence and the folder."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a condensed file")
    parser.add_argument(
        "--to", metavar="USER/NAME", required=True, help="the data set; created if it is absent"
    )
    parser.add_argument(
        "--license",
        metavar="ID",
        help="licence of what you publish, by its identifier on the Hub, such as mit or cc-by-4.0, "
        "or other; the original data set's licence decides what is possible",
    )
    parser.add_argument(
        "--license-link", metavar="URL", help="with --license other: where its text is"
    )
    parser.add_argument("--private", action="store_true", help="create a private data set")
    parser.add_argument("--message", metavar="TEXT", help="message of the commit")
    parser.add_argument(
        "--to-folder", metavar="DIR", type=Path, help="only write the files here; upload nothing"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a set that was published there before"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check everything, write the files, and upload them in one commit."""
    from condensery.formatting import byte_count
    from condensery.sharing.publish import push

    done = push(
        arguments.file,
        to=arguments.to,
        license=arguments.license,
        license_link=arguments.license_link,
        private=arguments.private,
        message=arguments.message,
        folder=arguments.to_folder,
        overwrite=arguments.overwrite,
    )
    where = done.url or done.folder
    print(f"{where}: {done.configurations} configurations, {byte_count(done.bytes)}")
    return 0
