"""The client of S3: it is made of few of boto3's services, and those are all that credentials may need."""

from __future__ import annotations

import pytest

from drorch.storage.s3.connection import SERVICES, core_session


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_gives_credentials_is_known(service: str) -> None:
    client = core_session().create_client(
        service, region_name="ap-southeast-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.close()
