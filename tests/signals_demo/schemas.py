"""What the JSON twins of the pages hold, as schemas."""

from jsonschema import Draft202012Validator

from signals_demo.recorder.findings import KINDS
from signals_demo.recorder.live.messages import MAX_EXACT


def record(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def array(items):
    return {"type": "array", "items": items}


def valid(response, schema):
    """Return the data of a response that is as the schema says."""
    assert response.headers["Content-Type"] == "application/json"
    data = response.json()
    Draft202012Validator(schema).validate(data)
    return data


TEXT = {"type": "string", "minLength": 1}
MAYBE_EMPTY = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}
FLAG = {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0}
MAYBE_COUNT = {"type": ["integer", "null"], "minimum": 0}
NUMBER = {"type": "integer", "minimum": 1}

#: A receiver that is connected, or waits for its sender.
RECEIVER = {
    **dict.fromkeys(("name", "place"), MAYBE_EMPTY),
    **dict.fromkeys(("sender", "uid", "connected_at"), MAYBE_TEXT),
    **dict.fromkeys(("weak", "async", "alive", "waiting"), FLAG),
}
RECEIVERS = array(
    record(
        signal=TEXT,
        builtin=FLAG,
        documentation=MAYBE_TEXT,
        receivers=array(record(**RECEIVER)),
    )
)
EXPLAINED = record(
    signal=TEXT,
    sender=MAYBE_TEXT,
    documentation=MAYBE_TEXT,
    receivers=array(
        record(**RECEIVER, verdict=MAYBE_EMPTY, source=MAYBE_TEXT, source_line=COUNT)
    ),
)

#: What an entry carries: numbers are such that a browser shows each digit.
DESCRIBED = {
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "number", "minimum": -MAX_EXACT, "maximum": MAX_EXACT},
        array({"$ref": "#/$defs/described"}),
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/described"}},
    ]
}
INSIDE = array({"$ref": "#/$defs/entry"})
CALL = record(
    receiver=TEXT,
    outcome={"type": "string", "pattern": "^(returned|muted|not reached|raised .+)$"},
    started=MAYBE_COUNT,
    times=NUMBER,
    raised=MAYBE_TEXT,
    entries=INSIDE,
    place=MAYBE_EMPTY,
    **{"async": FLAG, "muted": FLAG},
    **dict.fromkeys(("duration", "running"), COUNT),
)


def entry(**more):
    """Return the schema of an entry, with more properties at the top of a tree."""
    common = {
        "number": NUMBER,
        "started": MAYBE_COUNT,
        "duration": COUNT,
        "raised": MAYBE_TEXT,
        "transaction": MAYBE_COUNT,
        "fate": {"enum": [None, "open", "committed", "rolled back"]},
        **more,
    }
    query = record(type={"const": "query"}, sql=TEXT, alias=TEXT, many=FLAG, **common)
    hook = record(
        type={"const": "on_commit"},
        function=TEXT,
        outcome=TEXT,
        entries=INSIDE,
        **common,
    )
    emission = record(
        type={"const": "emission"},
        signal=TEXT,
        sender=MAYBE_TEXT,
        method={"enum": ["send", "send_robust", "asend", "asend_robust"]},
        arguments={
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/described"},
        },
        times=NUMBER,
        thread={"type": "integer", "maximum": MAX_EXACT},
        task=MAYBE_TEXT,
        caller=MAYBE_TEXT,
        receivers=array({"$ref": "#/$defs/call"}),
        **common,
    )
    return {"oneOf": [query, hook, emission]}


DEFINED = {"$defs": {"entry": entry(), "call": CALL, "described": DESCRIBED}}
WITHIN = {"anyOf": [{"type": "null"}, record(id=NUMBER, label=MAYBE_EMPTY)]}
FINDING = {
    "kind": {"enum": [*KINDS]},
    "message": TEXT,
    "hint": TEXT,
    "number": NUMBER,
    "documentation": MAYBE_EMPTY,
}
PROCESS = {"type": "string", "pattern": r"^[0-9a-f]{8}-\d+$"}
LIVE = DEFINED | record(
    process=PROCESS,
    actions=array(
        record(
            slug={"type": "string", "pattern": r"^[\w-]+$"},
            title=TEXT,
            description=MAYBE_EMPTY,
            url={"type": "string", "pattern": "^/.*/$"},
        )
    ),
    entries=array(entry(within=WITHIN)),
    findings=array(record(**FINDING, key=TEXT)),
    lost=COUNT,
)
ACTION = DEFINED | record(
    slug=TEXT,
    title=TEXT,
    process=PROCESS,
    numbers=array(NUMBER),
    tree=MAYBE_EMPTY,
    findings=array(record(**FINDING)),
    raised=MAYBE_TEXT,
    recording=record(
        version={"const": 1},
        duration=COUNT,
        dropped={"type": "object", "additionalProperties": NUMBER},
        entries=INSIDE,
        transactions=array(
            record(
                alias=TEXT,
                state={"enum": ["open", "committed", "rolled back"]},
                undone=array(array(COUNT)),
            )
        ),
        findings=array(record(**FINDING)),
    ),
)
BUSY = record(slug=TEXT, error=TEXT)
