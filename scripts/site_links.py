"""A hook of mkdocs: links that leave `docs` lead to the repository, as they do when read there."""

import posixpath
import re

LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(#[^)\s]*)?\)")


def on_page_markdown(markdown, page, config, files):
    """Rewrites the links of one page."""
    folder = posixpath.dirname(page.file.src_uri)

    def rewrite(link):
        target, anchor = link.group(1), link.group(2) or ""
        if not target:
            return link.group(0)
        path = posixpath.normpath(posixpath.join("docs", folder, target))
        if path.startswith("docs/"):
            if target.endswith("/") or "." not in posixpath.basename(target):
                # A folder: its overview.
                return f"]({posixpath.join(target, 'README.md')}{anchor})"
            return link.group(0)
        return f"]({config['repo_url']}/blob/main/{path}{anchor})"

    return LINK.sub(rewrite, markdown)
