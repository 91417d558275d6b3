"""Object storage by the S3 protocol, of AWS and of everyone else. The only home of boto3.

``store`` holds the calls, ``connection`` makes the client, ``failures`` is the border where foreign errors
become ours, ``forbidden`` tries what a writer's credential must not be able to do.
"""

from drorch.storage.s3.store import S3Store

__all__ = ["S3Store"]
