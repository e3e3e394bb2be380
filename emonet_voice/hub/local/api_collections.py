"""Collections of the local Hub: ordered lists of repositories and papers."""

import hashlib
import re
import secrets
from typing import Any

from .api import must_be_signed_in
from .blobs import HubError
from .handler import Answer, Call, member
from .store import now


def create_collection(call: Call) -> Any:
    """Makes an empty collection; 409 if its owner has one of this title."""
    must_be_signed_in(call)
    body = call.json()
    title, owner = member(body, "title"), member(body, "namespace")
    words = re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")
    # The Hub draws the id at the end. This one depends on the title: an equal one is a conflict.
    number = hashlib.sha1(f"{owner}/{title}".encode()).hexdigest()[:24]
    slug = f"{owner}/{words}-{number}"
    with call.store.changing_collections() as collections:
        if slug in collections:
            return Answer({"error": "Collection already exists", "slug": slug}, 409)
        collections[slug] = {
            "slug": slug,
            "title": title,
            "description": body.get("description"),
            "owner": {"name": owner},
            "items": [],
            "lastUpdated": now(),
            "position": len(collections),
            "private": body.get("private") is True,
            "theme": "orange",
            "upvotes": 0,
        }
    return collections[slug]


def collection(call: Call, slug: str) -> Any:
    """A collection and its items."""
    entry = call.store.collections.get(slug)
    if entry is None or (entry["private"] and not call.signed_in):
        raise HubError(404, "Collection not found")
    return entry


def add_to_collection(call: Call, slug: str) -> Any:
    """Puts a repository or paper at the end; 409 if it is in there."""
    must_be_signed_in(call)
    body = call.json()
    item = member(body, "item", dict)
    item_id, kind = member(item, "id"), member(item, "type")
    if kind != "paper":
        call.store.repo(kind, item_id)
    with call.store.changing_collections() as collections:
        changed = collections.get(slug)
        if changed is None:
            raise HubError(404, "Collection not found")
        if any((i["id"], i["type"]) == (item_id, kind) for i in changed["items"]):
            raise HubError(409, "Item already in collection")
        entry = {"_id": secrets.token_hex(12), "id": item_id, "type": kind}
        note = {"note": {"text": body["note"]}} if "note" in body else {}
        changed["items"].append({**entry, "position": len(changed["items"]), **note})
        changed["lastUpdated"] = now()
    return changed
