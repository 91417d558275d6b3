"""Every error of drorch, on one page.

    DrorchError
    ├── Bug                         1   a broken invariant of ours; never caught below the command line
    ├── UsageInvalid                2   the command line
    ├── NothingDone                 4   busy, or outside the window
    │   └── RunVoided*              4   a pack that the run relied on is being swept
    ├── OutputLost                  5   the answer could not be written where stdout leads
    ├── PolicyError                10-19
    │   ├── PolicyInvalid          10   ├── SettingsInvalid     11   ├── SecretUnavailable  12
    │   ├── RoleRefused            13   ├── PolicyUnknown       14   ├── StateSecretRefused 15
    │   └── CatalogError           16   └── CatalogTooNew       17   └── SourceForeign     18
    ├── SourceError                20-29
    │   ├── CaptureFailed          20   ├── SourceLoginFailed   21   ├── SourceUnreachable* 22
    │   ├── SourceRightsMissing    23   ├── SourceLocked*       24   ├── SourceStalled*     25
    │   ├── StandbyLag*            26   ├── SourceUnsupported   27   ├── SourceMissing      28
    │   └── ProgramUnsafe          29
    ├── StoreError                 30-39
    │   ├── StoreUnavailable*      30   ├── ObjectMissing       31   ├── StoreDenied        32
    │   ├── ObjectConflict         33   ├── StoreMissing        34   ├── StoreFull          35
    │   └── StoreUnfit             36
    ├── IntegrityError             40-49
    │   ├── ObjectCorrupt          40   ├── SignatureInvalid    41   ├── TrustMismatch      42
    │   ├── KeyMissing             43   ├── KeyWrong            44   ├── FormatUnsupported  45
    │   ├── ChainBroken            46   ├── ChunkUnavailable    47   └── SnapshotUnknown    48
    ├── DrillError                 50-59
    │   ├── DrillFailed            50   ├── ObjectiveMissed     51   └── DrillInconclusive  52
    ├── EvidenceError              60-69
    │   ├── EvidenceBroken         60   ├── SignerUnknown       61   ├── ReportInvalid      62
    │   ├── LedgerBroken           63   ├── SignOffRefused      64   ├── TimestampInvalid   65
    │   └── EvidenceUnknown        66   └── TimestampPending*   67
    ├── TargetError                70-79
    │   ├── DecisionNeeded         70   ├── TargetUnreachable   71   ├── TargetRefused      72
    │   └── RestoreDiffers         73   └── TargetFull          74
    ├── NotificationFailed*        80
    ├── Interrupted               130
    └── Terminated                143

``*`` = retryable. An exit code is never
reused; docs/ERRORS.md is generated from these classes (``drorch.errors.every_error``).

A message says what happened in one clause, lower case, no full stop; ``expected`` and ``found`` are the two
sides of the comparison; ``hint`` says what to do; ``still_good`` says what was not harmed. None of
them ever holds a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

PARTIAL = 3  # the exit code of what is no error: it ended, and not all that was asked for is done


class DrorchError(Exception):
    """The root. ``exit_code``, ``slug`` and ``retryable`` belong to the class and are stable."""

    exit_code: ClassVar[int] = 1
    slug: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        expected: str = "",
        found: str = "",
        hint: str = "",
        still_good: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.found = found
        self.hint = hint or self.default_hint
        self.still_good = still_good


class Bug(DrorchError):
    """A broken invariant inside drorch: please report it. Nothing was committed after it."""

    exit_code = 1
    slug = "bug"
    default_hint = "this is a fault of drorch, not of your set-up; please report it with the command that showed it"


class UsageInvalid(DrorchError):
    """The command line asks for something that cannot be."""

    exit_code = 2
    slug = "usage"


class NothingDone(DrorchError):
    """Nothing was done and nothing is wrong: another run holds the source, it is outside its window, or a plan wants a word."""

    exit_code = 4
    slug = "nothing-done"


class RunVoided(NothingDone):
    """The run's manifest does not count: a pack that it relied on is being swept, or a later run decided first."""

    exit_code = 4
    slug = "run-voided"
    retryable = True
    default_hint = (
        "it was repeated once already; look what else writes to this source (`drorch history`), and run it again"
    )


class OutputLost(DrorchError):
    """The answer could not be written where stdout leads. What the command did is done; only its telling is cut short."""

    exit_code = 5
    slug = "output-lost"
    default_hint = "make room where the output goes, and ask again: `drorch history` says what the command did"


# 10-19: what the sysadmin wrote, and this machine's own set-up


class PolicyError(DrorchError):
    """What was promised or configured cannot be acted on."""

    exit_code = 10
    slug = "policy"


class PolicyInvalid(PolicyError):
    """One or more policy files have problems; all of them are listed."""

    exit_code = 10
    slug = "policy-invalid"


class SettingsInvalid(PolicyError):
    """drorch.yaml is missing, unsafe or has problems."""

    exit_code = 11
    slug = "settings-invalid"


class SecretUnavailable(PolicyError):
    """A secret that is named by reference cannot be read, or its file is too open."""

    exit_code = 12
    slug = "secret-unavailable"


class RoleRefused(PolicyError):
    """This machine's ``roles:`` do not allow the operation."""

    exit_code = 13
    slug = "role-refused"


class PolicyUnknown(PolicyError):
    """No policy or source of that name."""

    exit_code = 14
    slug = "policy-unknown"
    default_hint = "`drorch status` lists the policies that exist"


class StateSecretRefused(PolicyError):
    """State secrets (mật, tối mật, tuyệt mật) are outside what drorch may touch."""

    exit_code = 15
    slug = "state-secret-refused"
    default_hint = "use the products of the Government Cipher Committee (Ban Cơ yếu Chính phủ)"


class CatalogError(PolicyError):
    """The catalog cannot be opened or written."""

    exit_code = 16
    slug = "catalog"
    default_hint = "the catalog is never the only copy: `drorch catalog rebuild` makes it again from the stores"


class CatalogTooNew(CatalogError):
    """The catalog was written by a newer drorch."""

    exit_code = 17
    slug = "catalog-too-new"


class SourceForeign(PolicyError):
    """The source belongs to another writer: a second installation, or a cloned machine."""

    exit_code = 18
    slug = "source-foreign"


# 20-29: the database that is backed up


class SourceError(DrorchError):
    """The source did not give a complete, consistent capture. Nothing of it was kept."""

    exit_code = 20
    slug = "source"


class CaptureFailed(SourceError):
    """The capture broke: a dumper died, an end marker is missing, a value cannot be sent."""

    exit_code = 20
    slug = "capture-failed"


class SourceLoginFailed(SourceError):
    """The server answered and refused the account."""

    exit_code = 21
    slug = "source-login"


class SourceUnreachable(SourceError):
    """No server answers there, or the connection broke."""

    exit_code = 22
    slug = "source-unreachable"
    retryable = True


class SourceRightsMissing(SourceError):
    """The account may not read something that belongs to the snapshot."""

    exit_code = 23
    slug = "source-rights"


class SourceLocked(SourceError):
    """A lock was not granted in time, or the server has too few locks for so many tables."""

    exit_code = 24
    slug = "source-locked"
    retryable = True


class SourceStalled(SourceError):
    """Not a byte for ``stall_timeout``, or the capture grew older than ``max_snapshot_age``."""

    exit_code = 25
    slug = "source-stalled"
    retryable = True


class StandbyLag(SourceError):
    """The standby is further behind than ``max_lag``, or cancelled the capture (conflict with recovery)."""

    exit_code = 26
    slug = "standby-lag"
    retryable = True


class SourceUnsupported(SourceError):
    """A version or feature that drorch cannot capture faithfully, or a tool that is missing."""

    exit_code = 27
    slug = "source-unsupported"


class SourceMissing(SourceError):
    """The server answers, the database or file is not there."""

    exit_code = 28
    slug = "source-missing"


class ProgramUnsafe(SourceError):
    """A program that a policy names could have been written or replaced by somebody else. It was not started."""

    exit_code = 29
    slug = "program-unsafe"


# 30-39: object storage


class StoreError(DrorchError):
    """A store did not do what it was asked."""

    exit_code = 30
    slug = "store"


class StoreUnavailable(StoreError):
    """The store does not answer, or answers with a passing fault."""

    exit_code = 30
    slug = "store-unavailable"
    retryable = True


class ObjectMissing(StoreError):
    """The object is not there."""

    exit_code = 31
    slug = "object-missing"


class StoreDenied(StoreError):
    """The store refused the credential or the call."""

    exit_code = 32
    slug = "store-denied"


class ObjectConflict(StoreError):
    """An object of this name exists with other bytes. Objects never change: one side is wrong."""

    exit_code = 33
    slug = "object-conflict"


class StoreMissing(StoreError):
    """The bucket or directory is not there, or holds no repository, or somebody else's."""

    exit_code = 34
    slug = "store-missing"


class StoreFull(StoreError):
    """No room left in the store."""

    exit_code = 35
    slug = "store-full"


class StoreUnfit(StoreError):
    """The store lacks a property that the operation relies on (put-if-absent, read after write)."""

    exit_code = 36
    slug = "store-unfit"


# 40-49: integrity, keys, trust


class IntegrityError(DrorchError):
    """Bytes are not what they must be, or the key that would tell is missing."""

    exit_code = 40
    slug = "integrity"


class ObjectCorrupt(IntegrityError):
    """Stored bytes fail their digest, tag, bounds or grammar."""

    exit_code = 40
    slug = "object-corrupt"


class SignatureInvalid(IntegrityError):
    """A signature is missing, wrong, or made by a key that may not sign this."""

    exit_code = 41
    slug = "signature-invalid"


class TrustMismatch(IntegrityError):
    """The repository's trust root is not the one that the caller knows, or none was given."""

    exit_code = 42
    slug = "trust-mismatch"


class KeyMissing(IntegrityError):
    """No private key that opens this was given."""

    exit_code = 43
    slug = "key-missing"


class KeyWrong(IntegrityError):
    """The passphrase, key file or shares are wrong, or belong to another repository."""

    exit_code = 44
    slug = "key-wrong"


class FormatUnsupported(IntegrityError):
    """The repository or object is of a newer format than this drorch reads."""

    exit_code = 45
    slug = "format-unsupported"


class ChainBroken(IntegrityError):
    """A lane's manifests do not follow each other: a gap, a fork, or a chain cut short."""

    exit_code = 46
    slug = "chain-broken"


class ChunkUnavailable(IntegrityError):
    """A chunk that a snapshot needs cannot be read from any copy."""

    exit_code = 47
    slug = "chunk-unavailable"


class SnapshotUnknown(IntegrityError):
    """No snapshot of that id, or none that fits."""

    exit_code = 48
    slug = "snapshot-unknown"
    default_hint = "`drorch snapshots` lists what exists"


# 50-59: what a drill proved


class DrillError(DrorchError):
    """A drill came to a verdict that is not a pass; what it found stands in its report."""

    exit_code = 50
    slug = "drill"


class DrillFailed(DrillError):
    """What came back is not what was backed up, or did not come back."""

    exit_code = 50
    slug = "drill-failed"


class ObjectiveMissed(DrillError):
    """Everything came back, but later than promised, or older."""

    exit_code = 51
    slug = "objective-missed"


class DrillInconclusive(DrillError):
    """A check could not be carried out, or compared nothing: the drill proves neither."""

    exit_code = 52
    slug = "drill-inconclusive"


# 60-69: evidence


class EvidenceError(DrorchError):
    """Evidence that is not what it must be."""

    exit_code = 60
    slug = "evidence"


class EvidenceBroken(EvidenceError):
    """A statement, signature, digest or entry does not fit the others: somebody altered or removed something."""

    exit_code = 60
    slug = "evidence-broken"


class SignerUnknown(EvidenceError):
    """Everything fits together, and who signed it is nobody that the reader was told to trust."""

    exit_code = 61
    slug = "signer-unknown"
    default_hint = "give the keys that you got from the people themselves: --trust FILE, or `keys: {trust: ...}`"


class ReportInvalid(EvidenceError):
    """A drill report that this version cannot read."""

    exit_code = 62
    slug = "report-invalid"


class LedgerBroken(EvidenceError):
    """The ledger cannot be read or added to: a segment is damaged, gone, forked, or a chain was cut short."""

    exit_code = 63
    slug = "ledger-broken"


class SignOffRefused(EvidenceError):
    """This key may not sign this in that role."""

    exit_code = 64
    slug = "sign-off-refused"


class TimestampInvalid(EvidenceError):
    """A time-stamp does not fit what it is of, or the authority that it names."""

    exit_code = 65
    slug = "timestamp-invalid"


class EvidenceUnknown(EvidenceError):
    """No evidence of that id, or none that fits."""

    exit_code = 66
    slug = "evidence-unknown"
    default_hint = "`drorch evidence log` lists what exists"


class TimestampPending(EvidenceError):
    """The time-stamping authority gave no answer; the request is kept and made again."""

    exit_code = 67
    slug = "timestamp-pending"
    retryable = True


# 70-79: where a restore goes


class TargetError(DrorchError):
    """The restore target is not fit, or did not take what it was given."""

    exit_code = 70
    slug = "target"


class DecisionNeeded(TargetError):
    """Something stands in the way that only the operator can decide; nothing was changed."""

    exit_code = 70
    slug = "decision-needed"


class TargetUnreachable(TargetError):
    """The target server does not answer or refused the account."""

    exit_code = 71
    slug = "target-unreachable"


class TargetRefused(TargetError):
    """The target refused a statement or a row; it is named."""

    exit_code = 72
    slug = "target-refused"


class RestoreDiffers(TargetError):
    """What arrived is not what was captured."""

    exit_code = 73
    slug = "restore-differs"


class TargetFull(TargetError):
    """No room left where the restore writes."""

    exit_code = 74
    slug = "target-full"


class NotificationFailed(DrorchError):
    """A message was not taken by whoever should carry it, or no answer came in time."""

    exit_code = 80
    slug = "notification-failed"
    retryable = True


class Interrupted(DrorchError):
    """Ctrl-C (SIGINT)."""

    exit_code = 130
    slug = "interrupted"


class Terminated(DrorchError):
    """SIGTERM."""

    exit_code = 143
    slug = "terminated"


def every_error() -> Iterator[type[DrorchError]]:
    """Yield every class of the tree, parents before children, in the order of this page."""
    stack: list[type[DrorchError]] = [DrorchError]
    while stack:
        error = stack.pop()
        yield error
        stack.extend(reversed(error.__subclasses__()))
