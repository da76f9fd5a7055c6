"""The language that a manifest is in, as a tag of BCP 47, from what people write for it."""

import re

TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
"""Language, script, region: in the letters that BCP 47 recommends."""

_LANGUAGES = {
    "arabic": "ar", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl",
    "english": "en", "finnish": "fi", "french": "fr", "german": "de", "greek": "el",
    "hindi": "hi", "italian": "it", "japanese": "ja", "korean": "ko", "norwegian": "no",
    "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru", "spanish": "es",
    "swahili": "sw", "swedish": "sv", "turkish": "tr", "ukrainian": "uk", "vietnamese": "vi",
}  # fmt: skip
_REGIONS = {"uk": "GB", "usa": "US", "england": "GB", "brazil": "BR"}


def tag_of(text: str) -> str:
    """Return the tag that is meant: en-GB for "English-UK". Empty: none that is known.

    A region that nobody knows (as in "DE-Western-Europe") is left out.
    """
    language, *others = re.split(r"[-_\s]+", text.strip()) or [""]
    tag = _LANGUAGES.get(language.lower(), language.lower())
    if not re.fullmatch(r"[a-z]{2,3}", tag):
        return ""
    for other in others:
        if re.fullmatch(r"[A-Z][a-z]{3}", other) and tag == tag.lower():
            tag += f"-{other}"
        else:
            region = _REGIONS.get(other.lower(), other.upper())
            known = len(others) <= 2 and re.fullmatch(r"[A-Z]{2}|[0-9]{3}", region)
            return f"{tag}-{region}" if known else tag
    return tag
