"""Dates, agencies and author lines, read into `published` and `byline`.

Rules, because their forms are few and fixed; which line is one is otherwise the classifier's to say.
"""

import re
from dataclasses import dataclass
from datetime import date

# Month names by their first letters, which tell them apart within and across these languages: Turkish, English, German, Spanish, French,
# Portuguese, Italian, Indonesian, Russian, Greek, Arabic (both sets of names). Facts of the languages, not taken from a library.
_MONTHS: tuple[tuple[str, ...], ...] = (
    ("ocak", "january", "januar", "jänner", "enero", "janvier", "janeiro", "gennaio", "januari", "января", "ιανουαρίου", "يناير", "jan"),
    ("şubat", "february", "februar", "febrero", "février", "fevereiro", "febbraio", "februari", "февраля", "φεβρουαρίου", "فبراير", "feb"),
    ("mart", "march", "märz", "marzo", "mars", "março", "maret", "марта", "μαρτίου", "مارس", "mar"),
    ("nisan", "april", "abril", "avril", "aprile", "апреля", "απριλίου", "أبريل", "ابريل", "apr"),
    ("mayıs", "may", "mai", "mayo", "maio", "maggio", "mei", "мая", "μαΐου", "مايو"),
    ("haziran", "june", "juni", "junio", "juin", "junho", "giugno", "июня", "ιουνίου", "يونيو", "jun"),
    ("temmuz", "july", "juli", "julio", "juillet", "julho", "luglio", "июля", "ιουλίου", "يوليو", "jul"),
    ("ağustos", "august", "agosto", "août", "agustus", "августа", "αυγούστου", "أغسطس", "اغسطس", "aug"),
    ("eylül", "september", "septiembre", "septembre", "setembro", "settembre", "сентября", "σεπτεμβρίου", "سبتمبر", "sep", "sept"),
    ("ekim", "october", "oktober", "octubre", "octobre", "outubro", "ottobre", "октября", "οκτωβρίου", "أكتوبر", "oct", "okt"),
    ("kasım", "november", "noviembre", "novembre", "novembro", "ноября", "νοεμβρίου", "نوفمبر", "nov"),
    (
        "aralık",
        "december",
        "dezember",
        "diciembre",
        "décembre",
        "dezembro",
        "dicembre",
        "desember",
        "декабря",
        "δεκεμβρίου",
        "ديسمبر",
        "dec",
        "dez",
    ),
)


def _fold(text: str) -> str:
    """Lower-case character by character, all four kinds of i alike, so that "NİSAN", "KASIM" and "JANVIER" meet their names."""
    return text.translate(_ALL_I).lower()


_ALL_I = str.maketrans("İIı", "iii")
_MONTH_NUMBER = {_fold(name): number for number, names in enumerate(_MONTHS, 1) for name in names}
_NAMES = "|".join(sorted(_MONTH_NUMBER, key=len, reverse=True))
_TIME = (
    r"(?:\s*[-–—|,/t]?\s*(?:saat\s*:?\s*|at\s+|um\s+|в\s+)?(?P<{0}>\d{{1,2}})[:.](?P<{1}>\d{{2}})(?::\d{{2}})?(?:\s*(?:uhr|[ap]\.?m\.?))?)?"
)
_DAY_NAME = r"(?:[^\W\d_]{2,12},?\s+)?"
_DATE = re.compile(
    r"(?<![\w.])(?:"
    rf"(?P<y1>\d{{4}})-(?P<m1>\d{{2}})-(?P<d1>\d{{2}})"
    rf"|(?P<d2>\d{{1,2}})[./-](?P<m2>\d{{1,2}})[./-](?P<y2>(?:19|20)\d{{2}})"
    rf"|(?P<d3>\d{{1,2}})(?:\.|er|º)?\s+(?:de\s+)?(?P<n3>{_NAMES})\.?,?\s+(?:de\s+)?(?P<y3>(?:19|20)\d{{2}})"
    rf"|(?P<n4>{_NAMES})\.?\s+(?P<d4>\d{{1,2}}),?\s+(?P<y4>(?:19|20)\d{{2}})"
    rf"|(?P<y5>(?:19|20)\d{{2}})年(?P<m5>\d{{1,2}})月(?P<d5>\d{{1,2}})日"
    rf")(?!\.\d)(?:(?!\w)|(?=t\d\d:))(?:,?\s+(?:pazartesi|sali|çarşamba|perşembe|cuma|cumartesi|pazar)(?!\w))?{_TIME.format('h', 'i')}",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\d{4}")
_DATED_OR_KEYED = re.compile(r"[:：/]|\d{4}")
_AGENCY_NAMES = (
    "İHA AA DHA ANKA İLKHA İGF THA UHA BHA Reuters AFP AP dpa EFE ANSA TASS ТАСС Интерфакс Sputnik UPI Xinhua Antara IANS PTI ANI APA "
    "İhlas\\s+Haber\\s+Ajansı|Anadolu\\s+Ajansı|Demirören\\s+Haber\\s+Ajansı|Anka\\s+Haber\\s+Ajansı|РИА\\s+Новости|Europa\\s+Press|Haber\\s+Merkezi|وكالات|رويترز|新华社|共同通信"
).replace(" ", "|")
_AGENCY = rf"(?:{_AGENCY_NAMES})"
_SOURCE_KEY = (
    r"(?:haber\s+kayna[ğg]ı|kaynak|kaynağı|muhabir|haber|editör|yazar|haberi\s+yazan|foto(?:ğraf)?|source|author|by|written\s+by|reported\s+by|quelle|autor(?:in)?|von|"
    r"fuente|por|redacción|auteur|par|источник|автор|текст|sumber|penulis|editor|reporter|المصدر|كتب|记者|来源|来源于|编辑|作者)"
)
_ONLY_AGENCY = re.compile(rf"[(\[]?\s*{_AGENCY}(?:\s*[-–/,]\s*{_AGENCY})*\s*[)\]]?\.?")
_SOURCE_LINE = re.compile(rf"{_SOURCE_KEY}\s*[:：/]\s*(?P<who>[^\n]{{2,80}})", re.IGNORECASE)
_TRAILING = re.compile(
    rf"(?<=[.!?…\"”’'»)])(?P<cut>\s*[-–—|(\[]*\s*(?:{_AGENCY}(?:\s*[-–/]\s*{_AGENCY})*|(?i:{_SOURCE_KEY})\s*[:：]\s*[^\n.]{{2,60}})\s*[)\]]?\.?)\s*$"
)
_LEADING_WORD = re.compile(
    r"^(?:by|von|por|par|di|da|oleh|автор|yazar|muhabir|editör|haber|text|autor|author|écrit par)\b\s*:?", re.IGNORECASE
)
_LABELS = re.compile(
    r"(?<!\w)(?:giriş|yayın(?:lanma|lama|a\s+giriş)?|güncelle(?:me|nme)|eklenme|oluşturulma|son|tarih(?:i)?|saat(?:i)?|haber|published|updated|posted|on|last|modified|date|"
    r"veröffentlicht|aktualisiert|stand|am|publicado|actualizado|el|publié|mis|à|jour|le|опубликовано|обновлено|diterbitkan|diperbarui|uhr|wib|"
    r"pazartesi|salı|çarşamba|perşembe|cuma|cumartesi|pazar|monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|"
    r"lunes|martes|miércoles|jueves|viernes|sábado|domingo|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|senin|selasa|rabu|kamis|jumat|sabtu|minggu)(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dateline:
    """What a line says of when and by whom."""

    published: str | None  # ISO 8601
    byline: str | None
    whole: bool  # the line says nothing else


def read_date(text: str) -> tuple[str, int, int] | None:
    """Find the first date that is one: its ISO form, where it starts and where it ends.

    >>> read_date("19 Haziran 2024 Çarşamba - 11:29")
    ('2024-06-19T11:29', 0, 32)
    >>> read_date("Maç 3.5 gol, 45.99.2020") is None
    True
    """
    if not _YEAR.search(text):  # most lines: a hundred times cheaper than the whole pattern
        return None
    for match in _DATE.finditer(_fold(text)):
        parts = match.groupdict()
        year = next(int(parts[f"y{n}"]) for n in range(1, 6) if parts[f"y{n}"])
        day = next(int(parts[f"d{n}"]) for n in range(1, 6) if parts[f"d{n}"])
        named = parts["n3"] or parts["n4"]
        if named:
            month = _MONTH_NUMBER[named]
        else:
            month = next(int(parts[f"m{n}"]) for n in (1, 2, 5) if parts[f"m{n}"])
            slashed = "/" in match.group()
            if parts["d2"] and month > 12 >= day:
                day, month = month, day  # month first, as Americans write it
            elif slashed and day <= 12 and day != month and not _day_first(text):
                continue  # 03/04/2024 may be either: say nothing
        try:
            iso = date(year, month, day).isoformat()
        except ValueError:
            continue
        if parts["h"] and int(parts["h"]) < 24 and int(parts["i"]) < 60:
            hour = int(parts["h"])
            half = match.group().replace(".", "")[-2:]
            hour = hour % 12 if half == "am" else hour % 12 + 12 if half == "pm" else hour
            iso += f"T{hour:02d}:{parts['i']}"
        return iso, match.start(), match.end()
    return None


def _day_first(text: str) -> bool:
    """Whether other words on the line are of a language that writes the day first."""
    return bool(re.search(r"[ğışİ]|tarih|giriş|güncel|publi|actualiz|\bel\b|\ble\b|diterbit", text, re.IGNORECASE))


def read_dateline(line: str) -> Dateline | None:
    """Read a line that is a date, an agency or an author line; None for any other.

    >>> read_dateline("Haber Kaynağı: İhlas Haber Ajansı (İHA)")
    Dateline(published=None, byline='İhlas Haber Ajansı (İHA)', whole=True)
    >>> read_dateline("16.01.2024, Sputnik Türkiye")
    Dateline(published='2024-01-16', byline='Sputnik Türkiye', whole=True)
    >>> read_dateline("Kaza, 16 Ocak 2024 günü meydana geldi ve dört kişi yaralandı.") is None
    True
    """
    text = " ".join(line.split())
    if not text or len(text) > 160:
        return None
    if _ONLY_AGENCY.fullmatch(text):
        return Dateline(None, text.strip("()[]. "), whole=True)
    if not _DATED_OR_KEYED.search(text):  # most lines: what is neither has neither date nor source
        return None
    found = read_date(text)
    rest = text
    while (again := read_date(rest)) is not None:
        rest = f"{rest[: again[1]]} {rest[again[2] :]}"
    if source := _SOURCE_LINE.fullmatch(rest.strip(" ,;|-–—")):
        who = source.group("who").strip(" ,;|-–—")
        if len(who.split()) <= 8 and not who.endswith((".", "?", "!")) and (found or not who[0].islower() or len(who.split()) <= 4):
            return Dateline(found[0] if found else None, who, whole=True)
    if found is None:
        return None
    trimmed = rest.strip(" ,;:|/-–—()[].")
    if _ONLY_AGENCY.fullmatch(trimmed):
        return Dateline(found[0], trimmed, whole=True)
    bare = re.sub(r"\s+", " ", re.sub(r"\d{1,2}:\d{2}|[|•·/,:;()\-–—]", " ", _LABELS.sub(" ", rest))).strip()
    if not bare:
        return Dateline(found[0], None, whole=True)
    if _reads_as_name(bare):
        return Dateline(found[0], bare.strip("()[]. "), whole=True)
    return None


def read_author(line: str) -> str | None:
    """Read the name off a line that is known to be a byline: what is left without dates and their labels, if it reads as one.

    >>> read_author("Giriş: 04.02.2021 10:15 | Sevgi Aydınlı")
    'Sevgi Aydınlı'
    """
    rest = " ".join(line.split())
    while (found := read_date(rest)) is not None:
        rest = f"{rest[: found[1]]} {rest[found[2] :]}"
    rest = re.sub(r"\d{1,2}[:.]\d{2}", " ", rest)
    rest = _LEADING_WORD.sub("", _LABELS.sub(" ", rest).strip(" ,;:|/-–—•·()[]."), count=1)
    name = " ".join(rest.strip(" ,;:|/-–—•·()[].").split())
    return name if _reads_as_name(name) else None


def _reads_as_name(text: str) -> bool:
    """Two to five words, each with a capital or of a script without them: one alone is as often a day's name or a label."""
    words = text.split()
    return 2 <= len(words) <= 5 and 4 <= len(text) <= 60 and all(word[0].isalpha() and not word[0].islower() for word in words)


def trailing_dateline(paragraph: str) -> int | None:
    """Find where a dateline, agency or source begins that is glued to the end of a paragraph.

    Only behind the end of a sentence, so that "…, dedi Reuters" stays whole.

    >>> text = "Yardımcı olmadığını söyledi. 16.01.2024, Sputnik Türkiye"
    >>> text[trailing_dateline(text) :].strip()
    '16.01.2024, Sputnik Türkiye'
    >>> trailing_dateline("Açıklamayı AA") is None
    True
    """
    if len(paragraph) < 30:
        return None
    if agency := _TRAILING.search(paragraph, max(0, len(paragraph) - 120)):
        return agency.start("cut")
    tail_from = max(0, len(paragraph) - 90)
    for match in re.finditer(r"[.!?…\"”’')](?=\s*[-–—|(]?\s*\S)", paragraph[tail_from:]):
        at = tail_from + match.end()
        line = read_dateline(paragraph[at:].strip(" -–—|()"))
        if line is not None and line.published and at > 20:
            return at
    return None
