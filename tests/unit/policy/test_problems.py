from drorch.policy.problems import Place, Problem, Problems, render_problems, summarise, wrapped


def test_the_same_problem_is_kept_once_and_counted_twice():
    problems = Problems()
    problems.add(Place("a.yaml", 2, 1), "x")
    problems.add(Place("a.yaml", 2, 1), "x")
    problems.extend([Problem("a.yaml", 1, 9, "y")])
    assert [problem.location for problem in problems.sorted()] == ["a.yaml:1:9", "a.yaml:2:1"]
    assert problems.told == 3


def test_lines_are_broken_between_words_and_never_inside_backquotes():
    assert wrapped("write it as `password: file:secrets/NAME` or else", 24) == [
        "write it as",
        "`password: file:secrets/NAME`",
        "or else",
    ]
    assert wrapped("at (`0 22 * * *`, x)", 12) == ["at", "(`0 22 * * *`,", "x)"]


def test_a_long_name_of_a_file_stands_on_a_line_of_its_own():
    long = "policies/" + "x" * 40 + ".yaml"
    page = render_problems([Problem("a.yaml", 1, 1, "one"), Problem(long, 1, 1, "two")])
    assert page == f"a.yaml:1:1  one\n{long}:1:1\n            two"


def test_summaries_count():
    one, two = Problem("a", 1, 1, "x"), Problem("b", 1, 1, "x")
    assert summarise([one], 1) == "1 problem in 1 of 1 file"
    assert summarise([one, two], 6) == "2 problems in 2 of 6 files"
    assert summarise([], 6) == "0 problems in 0 of 6 files"
