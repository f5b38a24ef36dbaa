# SPDX-License-Identifier: Apache-2.0
"""Transports of oslo.messaging: their options, and which URLs are accepted."""

import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import oslo_messaging
from oslo_concurrency import lockutils
from oslo_config import cfg
from oslo_utils import importutils

from watcher_objects import exception

#: The drivers that carry calls; kombu's memory is for tests within one process, like ``fake``.
DRIVERS = ("rabbit", "kombu+amqp", "kombu+memory", "fake")
#: The group of the RabbitMQ driver's options, which a URL's query may set, too.
RABBIT = "oslo_messaging_rabbit"
#: The groups of options that matter here; None is [DEFAULT].
GROUPS = (None, RABBIT, "oslo_concurrency")
FILES = ("ssl_ca_file", "ssl_cert_file", "ssl_key_file")
#: The maximum number of seconds to wait while a transport is closed.
CLOSING = 5
#: The driver whose client and servers share an exchange in the memory of their process.
IN_PROCESS = "fake"
_LIKE = "like rabbit://user:password@host:5672/vhost"
_LAST_PORT = 65535


def configuration(options: Mapping[str, Any] | None = None) -> cfg.ConfigOpts:
    """Return a configuration of oslo.messaging that reads no file.

    :param options: values by the names that the options have in a file
    :raises InvalidParameter: an option is unknown or does not accept its value
    """
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    _register(conf)
    for name, value in (options or {}).items():
        groups = [group for group in GROUPS if name in _options()[group]]
        if not groups:
            raise _bad(f"option {exception.safe_repr(name)}", "an option of oslo.messaging")
        try:
            conf.set_override(name, value, groups[0])
        except (TypeError, ValueError):
            raise _bad(f"option {name}", "a value that oslo.messaging accepts") from None
    return conf


def create(url: str | None, conf: cfg.ConfigOpts) -> Any:
    """Return a transport, which connects on first use.

    :param url: ``rabbit://user:password@host:5672/vhost``, or ``fake://`` within one process;
        None means the configuration's ``transport_url``
    :raises InvalidParameter: the URL or an option is invalid
    """
    _register(conf)
    _check_values(conf)
    try:
        parsed = oslo_messaging.TransportURL.parse(conf, url)
    except (oslo_messaging.InvalidTransportURL, ValueError):
        # Without the cause, which contains the URL.
        reason = "this one cannot be parsed; percent-encode special characters in a password"
        raise _bad("transport_url", f"{_LIKE}: {reason}") from None
    for reason in _problems(parsed):
        raise _bad("transport_url", f"{_LIKE}: {reason}")
    try:
        made = oslo_messaging.get_rpc_transport(conf, url=parsed)
    except oslo_messaging.DriverLoadFailure as error:
        raise exception.Invalid(f"Cannot load the transport: {error.ex}") from None
    # Its configuration includes the options in the URL's query.
    _check_files(made.conf)
    _set_lock_path(made.conf)
    return made


def close(transport: Any) -> None:
    """Close a transport, in a background thread if the broker does not respond."""
    Background(transport.cleanup).ends_within(CLOSING)


def refusal(error: Any) -> str | None:
    """Return the broker's reason for rejecting a request, or None for another failure."""
    while error is not None and not getattr(error, "reply_code", 0):
        error = error.__context__
    return exception.safe_repr(error.reply_text) if error else None


class Background:
    """A call in a daemon thread, which does not delay the end of the process."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._thread = threading.Thread(target=call, daemon=True)
        self._thread.start()

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end of the call for at most ``seconds``, and return whether it ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


@functools.cache
def _options() -> Mapping[str | None, Mapping[str, cfg.Opt]]:
    # Imported late, because they load the driver, which most commands do not need.
    from oslo_concurrency import opts as concurrency
    from oslo_messaging import opts as messaging

    known = dict((*messaging.list_opts(), *concurrency.list_opts()))
    return {group: {option.dest: option for option in known[group]} for group in GROUPS}


def _register(conf: cfg.ConfigOpts) -> None:
    for group, options in _options().items():
        conf.register_opts(options.values(), group)
    for part in ("tracing", "metrics"):
        # oslo.messaging registers these options only globally, but reads them from this one.
        if module := importutils.try_import(f"oslo_messaging._{part}.client"):
            group = f"oslo_messaging_{part}"
            conf.register_opts(getattr(module, group), group)


def _check_values(conf: cfg.ConfigOpts) -> None:
    for group, options in _options().items():
        for name in options:
            try:
                (conf[group] if group else conf)[name]
            except (cfg.Error, ValueError):
                place = f"{name} in [{group or 'DEFAULT'}]"
                raise _bad(place, "a value that oslo.messaging accepts") from None


def _problems(url: oslo_messaging.TransportURL) -> Iterator[str]:
    """Yield the reasons why a URL is invalid, without passwords."""
    if url.transport not in DRIVERS:
        driver = exception.safe_repr(url.transport)
        yield f"its driver is one of {', '.join(DRIVERS)}, not {driver}"
    for host in url.hosts:
        if "/" in f"{host.username}{host.password}":
            yield "a password with a / (%2F) does not reach the broker; use another password"
        if not 0 < (host.port or 1) <= _LAST_PORT:
            yield f"a port is a number up to {_LAST_PORT}"
    if {*"#?%"} & {*(url.virtual_host or "")}:
        yield "a virtual host with a #, ? or % does not reach the broker; use another"
    for name, value in url.query.items():
        option = _options()[RABBIT].get(name)
        if option is None:
            yield f"{exception.safe_repr(name)} is not an option of [{RABBIT}]"
        elif not _accepts(option, value):
            yield f"oslo.messaging does not accept the value of {name}"


def _accepts(option: cfg.Opt, value: str) -> bool:
    try:
        option.type(value)
    except ValueError:
        return False
    return True


def _check_files(conf: Any) -> None:
    for name in FILES if conf[RABBIT].ssl else ():
        path = conf[RABBIT][name]
        if path and not os.access(path, os.R_OK):
            raise _bad(f"{name} in [{RABBIT}]", "a file that this process can read")


def _set_lock_path(conf: Any) -> None:
    """Set the lock path of oslo.concurrency, which reads only the global configuration."""
    if not conf[RABBIT].use_queue_manager or cfg.CONF.oslo_concurrency.lock_path:
        return
    path = conf.oslo_concurrency.lock_path
    if not path:
        raise _bad("lock_path in [oslo_concurrency]", "set where use_queue_manager is")
    lockutils.set_defaults(path)


def _bad(name: str, allowed: str) -> exception.InvalidParameter:
    return exception.InvalidParameter(parameter=name, parameter_type=allowed)
