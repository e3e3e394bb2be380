"""The tables that say what clips are, however they were written.

CSV with commas, semicolons or tabs, in UTF-8 with or without a mark, or Latin-1; JSON Lines; JSON,
a list of objects or an object of each file; Parquet without audio, with the words that `datasets`
keeps of classes. Every cell is text, as if it stood in a CSV. Columns are called FileName or path
or Datei.
"""

import csv
import json
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..report.files import as_object
from ..taxonomy import UserError

COLUMNS = {
    "file": ("filename", "filepath", "path", "audio", "audiopath", "audiofile", "audiofilepath",
             "audiofilename", "audioname", "audioid", "wav", "wavfile", "wavpath", "wavname",
             "clip", "clipname", "recording", "recordingid", "video", "videofile", "videoname",
             "videoid", "datei", "dateiname", "dateipfad", "audiodatei", "tondatei", "pfad",
             "aufnahme", "fichier", "nomfichier", "archivo", "nombrearchivo", "fichero",
             "arquivo", "ficheiro", "plik", "bestand", "bestandsnaam", "dosya", "файл", "文件",
             "dialog", "dialogue", "uttid", "utteranceid", "clipid", "fileid", "segmentid",
             "turnname", "name", "id"),
    "label": ("emotion", "class", "emoclass", "emotionlabel", "emotionclass", "emotionname",
              "emovote", "majoremotion", "labels", "emotions", "emo", "category", "gefuhl",
              "klasse", "etikett", "emocion", "emozione", "emocao", "emocja", "emotie", "classe",
              "clase", "etiquette", "etiqueta", "etichetta", "rotulo", "etykieta", "duygu",
              "эмоция", "情感", "情绪"),
    "speaker": ("speakerid", "spkrid", "spkr", "spk", "spkid", "speakername", "actor", "actorid",
                "talker", "subject", "participant", "person", "sprecher", "sprecherin",
                "sprecherid", "proband", "locuteur", "locutrice", "acteur", "actrice", "locutor",
                "locutora", "hablante", "parlante", "attore", "falante", "orador", "spreker",
                "mowca", "aktor", "konusmacı", "диктор", "说话人"),
    "text": ("transcript", "transcription", "sentence", "utterance", "satz", "phrase", "frase"),
    "start": ("starttime", "starts", "startsec", "startseconds", "startms", "starttimems", "begin",
              "begins", "begintime", "onset", "tmin", "from", "anfang", "beginn", "startzeit",
              "von", "debut", "inicio", "inizio", "poczatek", "offset"),
    "end": ("endtime", "ends", "endsec", "endseconds", "endms", "endtimems", "stop", "stoptime",
            "finish", "tmax", "to", "ende", "endzeit", "bis", "fin", "fine", "fim", "koniec",
            "offset"),
    "duration": ("durations", "durationsec", "durationseconds", "durationms", "dur", "length",
                 "lengths", "dauer", "duree", "duracion", "durata", "duracao"),
    "channel": ("chan", "side", "kanal", "canal", "canale", "kanaal"),
}  # fmt: skip
"""What a column is for -> what corpora call it besides, in small letters without `_`.

`offset` is the end beside an onset (Praat, psychology), and a start beside a duration (NeMo)."""
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_NAMES = ("labels", "metadata")
_ALONE = (".csv", ".tsv", ".jsonl", ".parquet")  # what is taken where it has no such name
_ZIP = b"PK\x03\x04"
_DELIMITERS = ",;\t|"

Table = tuple[list[str], list[tuple[int, dict[str, str]]]]
"""The columns, and number and cells of each line; lines without any cell are left out."""


SHOWN = 10  # names in a message
NOTHING = ("", "nan", "none", "null", "na", "n/a", "nat", "-")


class LabelsError(UserError):
    """A table that cannot be read, or a file that it does not name without doubt."""


def plain(text: str) -> str:
    """A word as it is compared: small letters and digits only, without accents.

    Example:
        >>> plain("Dégoût "), plain("pleasant_Surprise")
        ('degout', 'pleasantsurprise')
    """
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def is_empty(text: str) -> bool:
    """Whether a cell says nothing, in any of the words that programs have for it.

    Example:
        >>> is_empty(" N/A"), is_empty("Nan Goldin")
        (True, False)
    """
    return text.strip().casefold() in NOTHING


def listed(names: Iterable[object]) -> str:
    """Names for a message: a table may have ten thousand columns, or words.

    Example:
        >>> listed("abc"), listed(range(1_000))
        ('a, b, c', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more')
    """
    shown = [f"{name!s:.60}" for name in names]
    more = f" and {len(shown) - SHOWN:,} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more


def column(names: Iterable[str], what: str) -> str | None:
    """The column that is for one of `COLUMNS`: the first of its names that is there.

    Example:
        >>> column(["FileName", "EmoClass"], "file"), column(["a"], "speaker")
        ('FileName', None)
    """
    found = _columns(names, what)
    return found[0] if found else None


def called(what: str) -> str:
    """What a column may be called, for messages.

    Example:
        >>> called("start")
        'start may be called starttime, starts, startsec, startseconds, startms and more'
    """
    return f"{what} may be called {', '.join(COLUMNS[what][:5])} and more"


def file_columns(names: Iterable[str]) -> list[str]:
    """The columns that may name a clip's file, the likeliest first."""
    return _columns(names, "file")


def _columns(names: Iterable[str], what: str) -> list[str]:
    by_name = {plain(name): name for name in reversed(list(names))}
    words = map(plain, (what, *COLUMNS[what]))
    return [by_name[word] for word in words if word in by_name]


def tables_of(folder: str | Path, need: str | None = None) -> list[Path]:
    """The tables of a folder, which are read as one.

    `labels` or `metadata` with one of `SUFFIXES`, or the only table there that names files; else
    those of these names in the folders below, as data sets of the Hub have one a split.

    Args:
        folder: Where they are.
        need: What of `COLUMNS` a table without such a name has, too.

    Example:
        >>> tables_of("nowhere")
        []
    """
    if named := named_table(folder):
        return [named]
    files = [path for path in Path(folder).glob("*") if _is_table(path)]
    alone = [p for p in files if p.suffix.lower() in _ALONE and _is_of_clips(p, need)]
    if alone:
        return alone if len(alone) == 1 else []
    below = (p for p in Path(folder).rglob("*") if p.stem.lower() in _NAMES and _is_table(p))
    return sorted(below)


def named_table(folder: str | Path) -> Path | None:
    """A folder's table by its name."""
    by_name = {path.name.lower(): path for path in Path(folder).glob("*") if _is_table(path)}
    names = (name + suffix for name in _NAMES for suffix in SUFFIXES)
    return next((by_name[name] for name in names if name in by_name), None)


def _is_table(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or path.name.startswith(".") or not path.is_file():
        return False
    return suffix != ".parquet" or not has_audio(path)


def _is_of_clips(path: Path, need: str | None) -> bool:
    """Whether a table may be of clips, and not of speakers or sentences."""
    try:
        names, _ = read_table(path)
    except LabelsError:  # is said when it is read
        return True
    return file_columns(names) != [] and (need is None or column(names, need) is not None)


def has_audio(path: Path) -> bool:
    """Whether a Parquet file has sound in it, and so is (part of) a data set."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except (OSError, pa.ArrowException):
        return True  # the reader of data sets says what is wrong
    return any(pa.types.is_struct(f.type) or _is_binary(f.type) for f in schema)


def read_table(table: Path) -> Table:
    """The columns of a table, and its lines.

    Raises:
        LabelsError: It cannot be read, or has two columns of one name or lines of other lengths.
    """
    suffix = table.suffix.lower()
    try:
        if suffix == ".parquet":
            return _read_parquet(table)
        content = table.read_bytes()
        if content.startswith(_ZIP):
            raise LabelsError(f"{table} is a spreadsheet or an archive: save it as CSV")
        text = _decoded(content)
    except OSError as error:
        raise LabelsError(f"{table}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise LabelsError(f"{table} cannot be read as text: {error}") from None
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _of_objects(_objects(table, text, whole=suffix == ".json"))
    return _read_csv(table, text)


def _read_csv(table: Path, text: str) -> Table:
    try:
        lines = text.splitlines(keepends=True)
        delimiter, first = "", 0
        if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
            delimiter, first = lines[0][4], 1  # as Excel writes
        header = lines[first] if len(lines) > first else ""
        delimiter = delimiter or max(
            _DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), []))
        )
        reader = csv.reader(lines[first:], delimiter=delimiter)
        names = [name.strip() for name in next(reader, [])]
        rows = [(reader.line_num + first, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise LabelsError(f"{table} cannot be read as CSV: {error}") from None
    if "\0" in header:
        raise LabelsError(f"{table} cannot be read as CSV: it is no text")
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        raise LabelsError(f"{table}: two columns of one name; there are {', '.join(named)}")
    for number, cells in rows:
        if len(cells) != len(names):
            raise LabelsError(
                f"{table}, line {number} has {len(cells)} cells and the header {len(names)}: what "
                f"has a {delimiter!r} in it stands in quotes"
            )
    return named, [(n, {k: c.strip() for k, c in zip(names, r, strict=True) if k}) for n, r in rows]


def _objects(table: Path, text: str, *, whole: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each line, or each entry of one JSON value."""
    content: Any = None
    if whole:
        try:
            content = json.loads(text, object_pairs_hook=as_object)
        except (ValueError, RecursionError):
            content = None  # JSON Lines by another name, as NeMo's
    if isinstance(content, dict) and all(isinstance(value, dict) for value in content.values()):
        content = [{"file": name, **value} for name, value in content.items()]
    if isinstance(content, list):
        entries: Iterable[tuple[int, Any]] = enumerate(content, 1)
    else:
        entries = ((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())
    for number, entry in entries:
        where = f"{table}, line {number}"
        try:
            found = json.loads(entry, object_pairs_hook=as_object) if content is None else entry
        except (ValueError, RecursionError) as error:
            raise LabelsError(f"{where} is no JSON: {error!s:.200}") from None
        if not isinstance(found, dict):
            raise LabelsError(f"{where} is no object: {found!r:.60}")
        yield number, found


def _of_objects(rows: Iterable[tuple[int, dict[str, Any]]]) -> Table:
    lines = [(n, {name.strip(): cell(value) for name, value in row.items()}) for n, row in rows]
    names = list(dict.fromkeys(name for _, row in lines for name in row if name))
    lines = [(n, {name: row.get(name, "") for name in names}) for n, row in lines]
    return names, [(n, row) for n, row in lines if any(row.values())]


def cell(value: Any) -> str:
    """A value as the text that a CSV would have for it.

    Example:
        >>> cell(None), cell(0.5), cell(["sad"]), cell({"bytes": None, "path": "a.wav"})
        ('', '0.5', 'sad', 'a.wav')
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict) and "path" in value:
        value = value["path"]
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else str(value).strip()


def _read_parquet(table: Path) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(table)
        names = [f.name for f in schema if not _is_binary(f.type)]
        if len(set(schema.names)) < len(schema.names):
            raise LabelsError(f"{table}: two columns of one name; there are {schema.names}")
        rows = parquet.read_table(table, columns=names).to_pylist()
    except (pa.ArrowException, ValueError) as error:
        raise LabelsError(f"{table} cannot be read as Parquet: {error!s:.200}") from None
    words = _class_names(schema.metadata or {})
    for row in rows:
        for name, of in words.items():
            number = row.get(name)
            row[name] = of[number] if isinstance(number, int) and 0 <= number < len(of) else None
    return _of_objects(enumerate(rows, 1))


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Column -> words of its numbers, as `datasets` keeps them in a schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        labels = {n: f["names"] for n, f in features.items() if f.get("_type") == "ClassLabel"}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return {}
    return {n: [*map(str, names)] for n, names in labels.items() if isinstance(names, list)}


def _is_binary(type_: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_))


def _decoded(data: bytes) -> str:
    """Text of UTF-8 or UTF-16 by its mark, else of Windows' and Excel's Latin-1."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
