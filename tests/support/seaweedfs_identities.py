"""Who the S3 server of the tests knows, and what each may do."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Credential:
    access_key: str
    secret_key: str


ADMIN = Credential(access_key="test-admin", secret_key="test-admin-secret")
# Has no rights but those that a bucket policy gives to arn:aws:iam::000000000000:user/by-policy
BY_POLICY = Credential(access_key="test-by-policy", secret_key="test-by-policy-secret")
# SeaweedFS's own actions, in one prefix of the bucket "by-actions": "Write" includes deleting
BY_ACTIONS = Credential(access_key="test-by-actions", secret_key="test-by-actions-secret")
# Three machines of one installation; none has a right but those that a bucket policy gives it by its name
MACHINES = {
    name: Credential(access_key=f"test-{name}", secret_key=f"test-{name}-secret")
    for name in ("backup-machine", "drill-machine", "maintenance-machine")
}
READER = Credential(access_key="test-reader", secret_key="test-reader-secret")

IDENTITIES = {
    "identities": [
        {"name": "admin", "credentials": [vars(ADMIN)], "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
        {"name": "by-policy", "credentials": [vars(BY_POLICY)], "actions": []},
        *({"name": name, "credentials": [vars(each)], "actions": []} for name, each in MACHINES.items()),
        {
            "name": "by-actions",
            "credentials": [vars(BY_ACTIONS)],
            "actions": [f"{action}:by-actions/main/l/0123456789ab*" for action in ("Read", "Write", "List")],
        },
        {"name": "reader", "credentials": [vars(READER)], "actions": ["Read", "List"]},
    ]
}
