import pytest

from drorch.errors import UsageInvalid
from drorch.policy.new import template


def test_it_is_eight_lines_and_two_remarks():
    lines = template("land", "postgresql").splitlines()
    assert sum(not line.startswith("#") for line in lines) == 8
    assert lines[1] == "name: land"


@pytest.mark.parametrize("name", ["Land", "land_1", "", "-a", "a/b", "a" * 64])
def test_a_name_that_is_none_is_refused(name: str):
    with pytest.raises(UsageInvalid) as caught:
        template(name, "sqlite")
    assert caught.value.found == name


def test_an_engine_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(UsageInvalid, match="did you mean `postgresql`"):
        template("land", "postgres")
