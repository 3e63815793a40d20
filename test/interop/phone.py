"""An owner's phone that shares no code with the bot: rust-nostr wraps and unwraps, OpenSSL encrypts and decrypts.

Reads one JSON object a line, answers one a line. Its arguments: relay, the bot's public key. Its secret key comes first.
"""

import asyncio
import base64
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request

from PIL import Image
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nostr_sdk import (
    Client, EventBuilder, Filter, Keys, Kind, PublicKey, RelayUrl, ReqTarget, Tag, UnsignedEvent, UnwrappedGift,
    nip59_make_gift_wrap,
)

RELAY, BOT = sys.argv[1], PublicKey.parse(sys.argv[2])
WRITE = {
    "hex": bytes.hex,
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "base64url": lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="),
}


def tell(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def encrypt(ask):
    with open(ask["path"], "rb") as file:
        plain = file.read()
    key, nonce = os.urandom(32), os.urandom(ask["nonce"])
    body = AESGCM(key).encrypt(nonce, plain, None)
    with open(ask["to"], "wb") as file:
        file.write(body)
    write = WRITE[ask["write"]]
    return {"key": write(key), "nonce": write(nonce), "x": sha256(body), "ox": sha256(plain), "size": len(body)}


def fetch(ask):
    """What a client does with a message of kind 15: fetches, checks, decrypts, checks."""
    try:
        with urllib.request.urlopen(ask["url"], timeout=20) as response:
            body = response.read()
    except urllib.error.HTTPError as error:
        return {"status": error.code}
    plain = AESGCM(bytes.fromhex(ask["key"])).decrypt(bytes.fromhex(ask["nonce"]), body, None)
    with open(ask["to"], "wb") as file:
        file.write(plain)
    return {"status": 200, "x": sha256(body), "ox": sha256(plain), "size": len(body)}


def picture(ask):
    """A photo as a phone takes it: lying on its side, with where and with what it was taken."""
    image = Image.effect_noise((640, 480), 60).convert("RGB")
    exif = image.getexif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Secret Maker", "Secret Model", 6
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (52.0, 31.0, 12.0), "E", (13.0, 24.0, 36.0)
    image.save(ask["to"], quality=90, exif=exif, comment=b"a secret comment")
    return look({"path": ask["to"]})


def look(ask):
    with open(ask["path"], "rb") as file:
        data = file.read()
    with Image.open(ask["path"]) as image:
        exif = image.getexif()
        return {
            "exif": sorted(exif), "gps": len(exif.get_ifd(0x8825)), "turned": exif.get(0x0112),
            "pixels": sha256(image.tobytes()), "secret": b"ecret" in data, "size": len(data),
        }


DOES = {"encrypt": encrypt, "fetch": fetch, "picture": picture, "look": look}


async def main():
    keys = Keys.parse(sys.stdin.readline().strip())
    me = keys.public_key()
    client = Client()
    await client.add_relay(RelayUrl.parse(RELAY))
    await client.connect()
    heard = client.notifications()
    await client.subscribe(ReqTarget.auto([Filter().kind(Kind(1059)).pubkey(me)]))

    async def listen():
        while True:
            notice = await heard.next()
            if notice is None:
                return
            if not notice.is_NEW_EVENT():
                continue
            event = notice.event
            # Some relays send every wrap, whomever it is for.
            if ["p", me.to_hex()] not in [tag[:2] for tag in json.loads(event.as_json())["tags"]]:
                continue
            gift = UnwrappedGift.from_gift_wrap(keys, event)
            if gift.sender().to_hex() != BOT.to_hex():
                continue
            rumor = json.loads(gift.rumor().as_json())
            tell({"said": {name: rumor[name] for name in ("kind", "content", "tags")}})

    async def send(ask):
        builder = EventBuilder(Kind(ask["kind"]), ask["content"])
        rumor = builder.tags([Tag.parse(tag) for tag in [["p", BOT.to_hex()], *ask["tags"]]]).finalize_unsigned(me).ensure_id()
        wrap = nip59_make_gift_wrap(keys, BOT, rumor)
        await client.send_event(wrap)
        return {"id": rumor.id().to_hex()}

    listening = asyncio.create_task(listen())
    listening.add_done_callback(lambda task: task.cancelled() or task.exception() and sys.stderr.write(f"{task.exception()!r}\n"))
    loop = asyncio.get_running_loop()
    tell({"ready": True})
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        ask = json.loads(line)
        try:
            if ask["do"] == "send":
                answer = await send(ask)
            else:
                answer = await loop.run_in_executor(None, DOES[ask["do"]], ask)
        except Exception as error:
            answer = {"error": repr(error)}
        tell({"of": ask["of"], **answer})
    listening.cancel()


asyncio.run(main())
