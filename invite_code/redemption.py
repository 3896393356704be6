"""Redeem a code exactly as often as it allows, whoever else tries at the same time.

The database is the judge. The first statement of each transaction is an ``UPDATE``
with all conditions in its ``WHERE``: it finds the code usable and locks it, or it finds
no row. A statement that waited for that lock sees the code as it is then, but other
tables as they were before it waited; so the ``INSERT`` that follows asks those.
"""

import re
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from typing import Any, NoReturn, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, connections, router
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from invite_code.conf import conf
from invite_code.errors import Exhausted, NotAdmitted
from invite_code.explaining import explain
from invite_code.models import Hold, InviteBatch, InviteCode, Redemption
from invite_code.retrying import retry
from invite_code.signals import invite_code_redeemed, invite_code_refused

#: What is inserted where a use is free.
Row = TypeVar("Row", Redemption, Hold)

BATCH_IS_NOT_REVOKED = """
    (
        SELECT "InviteBatch"."revoked_at" FROM "InviteBatch"
        WHERE "InviteBatch"."id" = "InviteCode"."batch_id"
    ) IS NULL
"""

#: Holds are left out: who redeems one while this waits would be seen twice, by the use
#: just made and by the hold of before.
USABLE = f"""
    "code" = %(code)s
    AND "revoked_at" IS NULL
    AND ("valid_from" IS NULL OR "valid_from" <= %(now)s)
    AND ("expires_at" IS NULL OR "expires_at" > %(now)s)
    AND ("email" = '' OR "email" = %(email)s OR %(email)s IS NULL)
    AND ("max_uses" IS NULL OR "max_uses" > "uses")
    AND {BATCH_IS_NOT_REVOKED}
"""

#: What other tables say of a code that is locked: a use is left beside those made, of
#: which ``taken`` by this transaction, and those kept for others.
FREE = f"""
    "code" = %(code)s
    AND {BATCH_IS_NOT_REVOKED}
    AND ("max_uses" IS NULL OR "max_uses" > "uses" - %(taken)s + (
        SELECT COUNT(*) FROM "Hold"
        WHERE "Hold"."code_id" = "InviteCode"."id"
            AND "Hold"."expires_at" > %(now)s AND "Hold"."key" <> %(key)s
    ))
"""

#: Make a use, if there is one to make.
TAKE = f'UPDATE "InviteCode" SET "uses" = "uses" + 1 WHERE {USABLE}'

#: Change nothing, but lock the code if it is usable.
LOCK = f'UPDATE "InviteCode" SET "uses" = "uses" WHERE {USABLE}'

RECORD = f"""
    INSERT INTO "Redemption"
        ("code_id", "user_id", "user_pk", "username", "redeemed_at")
    SELECT "InviteCode"."id",
        %(user_id)s, %(user_pk)s, %(username)s, %(now)s
    FROM "InviteCode" WHERE {FREE}
    RETURNING "id", "code_id"
"""

#: The key has a second name, because PostgreSQL takes the other one for a text.
KEEP = f"""
    INSERT INTO "Hold" ("code_id", "key", "expires_at", "created_at")
    SELECT "InviteCode"."id", %(new_key)s, %(until)s, %(now)s
    FROM "InviteCode" WHERE {FREE}
    RETURNING "id", "code_id"
"""

#: Remove the hold of this key, and with it those whose time is over.
CLEAR = """
    DELETE FROM "Hold" WHERE ("key" = %(key)s OR "expires_at" <= %(now)s)
        AND "code_id" = (SELECT "id" FROM "InviteCode" WHERE "code" = %(code)s)
"""

#: Remove the hold of this key alone, so that the row count says whether there was one.
END = """
    DELETE FROM "Hold" WHERE "key" = %(key)s
        AND "code_id" = (SELECT "id" FROM "InviteCode" WHERE "code" = %(code)s)
"""


def redeem(
    code: str,
    user: AbstractBaseUser | None,
    *,
    using: str | None = None,
    hold: Hold | None = None,
    _insist: bool = False,
) -> Redemption:
    """Let a user in by a code, and count the use.

    Within a transaction it is undone with that transaction: make the user in it too.
    A user who redeems a code again gets the redemption there was. Sends
    ``invite_code_redeemed`` after the commit, or ``invite_code_refused`` at once.

    Args:
        code: the code, in any spelling.
        user: who redeems it, saved; None for somebody without an account.
        using: alias of the database; None leaves it to the router.
        hold: what kept the use, if anything did; it ends. That of another code ends
            too, although it kept no use of this one.
        _insist: whether to raise ``NotAdmitted`` if the hold has ended before, for the
            gate: who shows a code once is let in once.

    Raises:
        Malformed: that is no code; nothing was asked of the database.
        Refused: one of its other children says why the code lets nobody in.
        ValueError: the user is not saved.
        OperationalError: other transactions were quicker, again and again; within a
            transaction of the caller, once.
    """
    if user is not None and (user.pk is None or user._state.adding):
        raise ValueError("Save the user first, in the same transaction.")
    using = using or router.db_for_write(InviteCode)
    values = {
        "code": conf.code_format.normalize(code),
        "key": "" if hold is None else hold.key,
        "email": _email(user),
    }
    try:
        work = partial(_redeem, user, values, using, hold, _insist)
        redemption = retry(work, using=using)
    except (Exhausted, IntegrityError) as error:
        if earlier := _earlier(user, values["code"], using):
            if hold is not None:
                release(hold)
            return earlier
        if isinstance(error, IntegrityError):
            raise  # Another constraint than that of one use of a code by a user.
        _refuse(values, using)
    arguments = {"redemption": redemption, "using": using}
    announce = partial(invite_code_redeemed.send_robust, Redemption, **arguments)
    connections[using].on_commit(announce)
    return redemption


def hold(
    code: str,
    key: str,
    ttl: timedelta,
    *,
    email: str | None = None,
    using: str | None = None,
) -> Hold:
    """Keep a use of a code for somebody who is about to redeem it.

    It frees itself when its time is over. A new hold by the same key takes the place
    of the earlier one. It keeps a use and nothing more: a code that is revoked or
    expires in the meantime is refused all the same.

    Args:
        code: the code, in any spelling.
        key: who it is kept for, 1 to 64 characters: a secret of a session, say.
        ttl: for how long, above zero.
        email: the address it will be redeemed for; None if that is not known yet.
        using: alias of the database; None leaves it to the router.

    Raises:
        Malformed, Refused, OperationalError: as ``redeem()`` does.
        ValueError: `key` or `ttl` is out of range.
    """
    if not 1 <= len(key) <= 64 or ttl <= timedelta(0):
        raise ValueError("A hold takes a key of 1 to 64 characters, and some time.")
    using = using or router.db_for_write(InviteCode)
    values = {
        "code": conf.code_format.normalize(code),
        "key": key,
        "email": None if email is None else email.lower(),
    }
    try:
        return retry(partial(_hold, values, using, ttl), using=using)
    except Exhausted:
        _refuse(values, using)


def release(hold: Hold) -> None:
    """Give back the use that a hold keeps, if it still keeps one.

    Args:
        hold: what ``hold()`` returned.
    """
    holds = Hold.objects.using(hold._state.db).filter(pk=hold.pk)
    retry(holds.delete, using=holds.db)


async def aredeem(
    code: str,
    user: AbstractBaseUser | None,
    *,
    using: str | None = None,
    hold: Hold | None = None,
) -> Redemption:
    """Do what ``redeem()`` does, in a thread that may use the database."""
    return await sync_to_async(redeem)(code, user, using=using, hold=hold)


async def ahold(
    code: str,
    key: str,
    ttl: timedelta,
    *,
    email: str | None = None,
    using: str | None = None,
) -> Hold:
    """Do what ``hold()`` does, in a thread that may use the database."""
    return await sync_to_async(hold)(code, key, ttl, email=email, using=using)


async def arelease(hold: Hold) -> None:
    """Do what ``release()`` does, in a thread that may use the database."""
    await sync_to_async(release)(hold)


def _redeem(
    user: AbstractBaseUser | None,
    values: dict[str, Any],
    using: str,
    hold: Hold | None,
    insist: bool,
) -> Redemption:
    row = {
        "user_id": None if user is None else user.pk,
        "user_pk": "" if user is None else str(user.pk)[:64],
        "username": "" if user is None else str(user.get_username() or "")[:254],
    }
    field = Redemption._meta.get_field("user")
    with connections[using].cursor() as cursor:
        row["redeemed_at"] = _take(cursor, TAKE, values)
        user_id = field.get_db_prep_save(row["user_id"], cursor.db)
        values |= {**row, "user_id": user_id, "taken": 1}
        redemption = _insert(cursor, RECORD, values, Redemption, row)
        if hold is not None:
            cursor.execute(in_dialect(END if insist else CLEAR, using), values)
            if insist and not cursor.rowcount:
                raise NotAdmitted("Another request was let in by this hold.")
            if hold.code_id not in (None, redemption.code_id):
                release(hold)
    field.set_cached_value(redemption, user)  # Its key is there: no need to set both.
    return redemption


def _hold(values: dict[str, Any], using: str, ttl: timedelta) -> Hold:
    with connections[using].cursor() as cursor:
        now = _take(cursor, LOCK, values)
        row = {"key": values["key"], "created_at": now, "expires_at": now + ttl}
        until = cursor.db.ops.adapt_datetimefield_value(row["expires_at"])
        cursor.execute(in_dialect(CLEAR, using), values)
        values |= {"new_key": values["key"], "until": until, "taken": 0}
        return _insert(cursor, KEEP, values, Hold, row)


def _take(cursor: CursorWrapper, sql: str, values: dict[str, Any]) -> datetime:
    """Execute what locks the code if it is usable; raise ``Exhausted`` if not.

    Return the time at which it was locked, and put it into `values`. Who waited for
    the lock must not look at holds with an older clock than who was let in before.
    """
    clock = cursor.db.ops.adapt_datetimefield_value
    values["now"] = clock(timezone.now())
    cursor.execute(in_dialect(sql, cursor.db.alias), values)
    if not cursor.rowcount:
        raise Exhausted
    now = timezone.now()
    values["now"] = clock(now)
    return now


def _insert(
    cursor: CursorWrapper,
    sql: str,
    values: dict[str, Any],
    model: type[Row],
    row: dict[str, Any],
) -> Row:
    """Insert a row if a use is free; raise ``Exhausted`` if a rival was quicker."""
    alias = cursor.db.alias
    cursor.execute(in_dialect(sql, alias), values)
    if cursor.db.features.can_return_columns_from_insert:
        inserted = list(cursor)
    else:
        inserted = [_last_ids(cursor, model)] if cursor.rowcount else []
    if not inserted:
        raise Exhausted
    row["id"], row["code_id"] = inserted[0]
    names = _attribute_names(model)
    return model.from_db(alias, names, [row[name] for name in names])


@cache
def _attribute_names(model: type[Row]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _last_ids(cursor: CursorWrapper, model: type[Row]) -> tuple[int, int]:
    """Return what ``RETURNING`` would, where MySQL has none."""
    pk = cursor.db.ops.last_insert_id(cursor, model._meta.db_table, "id")
    return pk, model._base_manager.using(cursor.db.alias).get(pk=pk).code_id


@lru_cache
def in_dialect(sql: str, using: str) -> str:
    """Return a statement with the names of tables, and quotes, that a database has."""
    connection = connections[using]
    models = (InviteBatch, InviteCode, Redemption, Hold)
    tables = {model.__name__: model._meta.db_table for model in models}
    if not connection.features.can_return_columns_from_insert:
        sql = sql.split("RETURNING")[0]
    if connection.vendor == "mysql":
        # Its collations take one address for another: "jose" for one with an accent.
        sql = sql.replace('"email" = %(email)s', '"email" = BINARY %(email)s')
    sql = " ".join(sql.split())  # Django reads it again each time.
    quote = connection.ops.quote_name
    return re.sub(r'"(\w+)"', lambda name: quote(tables.get(name[1], name[1])), sql)


def _email(user: AbstractBaseUser | None) -> str:
    """Return the address of a user as it would be stored; empty without one."""
    if user is None:
        return ""
    return str(getattr(user, user.get_email_field_name(), None) or "").lower()


def _earlier(user: AbstractBaseUser | None, code: str, using: str) -> Redemption | None:
    """Return the redemption of a code that a user has made before."""
    if user is None:
        return None
    redemptions = Redemption.objects.using(using)
    return redemptions.filter(code__code=code, user=user.pk).first()


def _refuse(values: dict[str, Any], using: str) -> NoReturn:
    """Say why a code was refused.

    The verdict stands. Where the transaction sees the past, or the code was
    changed since, a look at it finds no reason: then somebody else was quicker.
    """
    explanation = explain(
        values["code"], email=values["email"], key=values["key"], using=using
    )
    refusal = explanation.refusal or Exhausted("Somebody else was quicker.")
    invite_code_refused.send_robust(
        InviteCode,
        reason=refusal.reason,
        code_id=explanation.stored and explanation.stored.pk,
        using=using,
    )
    raise refusal
