from dms_pipeline.local_dms.engine.virtual_columns import Computation, computed_from_number

PLAIN = Computation("", None)
NUMBER = Computation("auto_increment", None)


def virtual(expression: str) -> Computation:
    return Computation("VIRTUAL GENERATED", expression)


def test_columns_that_depend_on_the_number_through_others_are_found():
    columns = {
        "Id": NUMBER,
        "a": PLAIN,
        "third": virtual("`second` + 1"),
        "second": virtual("`first``s` * 2"),
        "first`s": virtual("`id` + 1"),
        "other": virtual("`a` + 1"),
    }
    assert computed_from_number(columns) == {"first`s", "second", "third"}


def test_a_stored_column_is_logged_as_it_is():
    columns = {"id": NUMBER, "kept": Computation("STORED GENERATED", "`id` + 1")}
    assert computed_from_number(columns) == set()


def test_a_table_without_a_number_has_none():
    assert computed_from_number({"id": PLAIN, "next": virtual("`id` + 1")}) == set()
