"""Summarizes sessions of Claude Code: tools used, files touched, duration."""

from plugbus import Payload, Plugin, Reject, log, publish, state, topic

import session

plugin = Plugin()
sessions = state.Bucket("sessions")

#: Bytes in a session's id; longer ones are no such thing, see normalize-hooks.
ID_BYTES_MAX = 128


class Settings:
    topic = "session.summary"
    sessions_max = 200
    files_max = 200


@plugin.setup
def setup(config):
    unknown = set(config) - {"topic", "sessions_max", "files_max"}
    if unknown:
        raise Reject(f"config: unknown key `{min(unknown)}`; there are `topic`, `sessions_max` and `files_max`")
    Settings.topic = config.get("topic", "session.summary")
    wrong = topic.check(f"{Settings.topic}.get") if isinstance(Settings.topic, str) else "must be text"
    if wrong:
        raise Reject(f"config: key `topic` {wrong}")
    Settings.sessions_max = whole(config, "sessions_max", 200, 1, 10_000)
    Settings.files_max = whole(config, "files_max", 200, 0, 1000)
    plugin.on(f"{Settings.topic}.get")(asked)


def whole(config, key, default, least, most):
    value = config.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Reject(f"config: key `{key}` must be a whole number from {least} to {most}")
    return value


@plugin.on("hook.session-start", "hook.user-prompt-submit", "hook.post-tool-use.*", "hook.post-tool-use-failure.*")
def seen(event):
    hook, known = load(event)
    session.add(known, hook, Settings.files_max)
    sessions.set(known["session"], known)


@plugin.on("hook.session-end")
def ended(event):
    hook, known = load(event)
    session.add(known, hook, Settings.files_max)
    reason = hook.get("subtype")
    publish(Settings.topic, session.summary(known, reason if isinstance(reason, str) else None))
    sessions.delete(known["session"])


def asked(event):
    id = event.json.get("session") if isinstance(event.json, dict) else None
    known = sessions.get(id) if is_id(id) else None
    return Payload.json(None if known is None else session.summary(known, None))


def load(event):
    """The hook, and what is known of its session."""
    hook = event.json
    id = hook.get("session") if isinstance(hook, dict) else None
    if not is_id(id):
        raise Reject(f"`session` must be text of 1 to {ID_BYTES_MAX} bytes; does `{event.topic}` come from normalize-hooks?")
    known = sessions.get(id)
    if known is None:
        known = session.begun(id, hook)
        make_room()
    return hook, known


def make_room():
    """One more session comes in: the one that was quiet for longest goes, if it must."""
    ids = sessions.keys()
    if len(ids) < Settings.sessions_max:
        return
    quiet = min((sessions.get(id) for id in ids), key=lambda known: known["last"] or "")
    log.warn(f"over {Settings.sessions_max} sessions without an end: {quiet['session']} is summarized and forgotten")
    publish(Settings.topic, session.summary(quiet, "forgotten"))
    sessions.delete(quiet["session"])


def is_id(id):
    return isinstance(id, str) and 1 <= len(id.encode("utf-8", "replace")) <= ID_BYTES_MAX and id.isprintable()
