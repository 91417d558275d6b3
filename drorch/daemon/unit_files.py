"""The files by which systemd runs the daemon: a unit that may do little, an account, and directories of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping

_UNIT = """\
# Made by `drorch service install`; change it with `systemctl edit drorch`.
[Unit]
Description=Backups and restore drills by policy (drorch)
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=notify
ExecStart={program} daemon --config {settings} --drain 60
ExecReload=kill -HUP $MAINPID
User={account}
Group={account}
Restart=on-failure
RestartSec=10
WatchdogSec=5min
TimeoutStopSec=120
KillMode=mixed
UMask=0077
# secrets that nobody but this service sees: `credential:NAME` in drorch.yaml
{credentials}StateDirectory=drorch
StateDirectoryMode=0700
CacheDirectory=drorch
CacheDirectoryMode=0700
ReadWritePaths={writable}

# a backup reads, sends and keeps books; it needs nothing of what follows
NoNewPrivileges=yes
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=no
PrivateDevices=yes
PrivateMounts=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@resources @obsolete
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""
_SYSUSERS = 'u {account} - "drorch backups" /var/lib/drorch\n'
_TMPFILES = "d /var/tmp/drorch 0700 {account} {account} -\n"

UNIT = "etc/systemd/system/drorch.service"
SYSUSERS = "etc/sysusers.d/drorch.conf"
TMPFILES = "etc/tmpfiles.d/drorch.conf"


def unit_files(
    *,
    program: str,
    settings: str,
    account: str,
    credentials: Mapping[str, str],
    reads_all_files: bool,
    stores: tuple[str, ...],
) -> Mapping[str, str]:
    """Return the texts of the files, by path below ``/``.

    ``credentials`` are files by the name that drorch.yaml gives them. ``reads_all_files`` gives the one capability by which a tree of
    files that belongs to others is read; ``stores`` are directories that are written to.
    """
    loaded = "".join(f"LoadCredential={name}:{path}\n" for name, path in sorted(credentials.items()))
    unit = _UNIT.format(
        program=_word(program).replace("$", "$$"),
        settings=_word(settings).replace("$", "$$"),
        account=account,
        credentials=loaded,
        writable=" ".join(["-/var/tmp/drorch", *(_word(f"-{path}") for path in stores)]),
        capabilities="CAP_DAC_READ_SEARCH" if reads_all_files else "",
    )
    return {
        UNIT: unit,
        SYSUSERS: _SYSUSERS.format(account=account),
        TMPFILES: _TMPFILES.format(account=account),
    }


def _word(path: str) -> str:
    """Return a path that systemd reads as one word, as it is (systemd.syntax(7), systemd.unit(5))."""
    text = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if re.fullmatch(r"[^\s\"'\\;]+", text) else f'"{text}"'
