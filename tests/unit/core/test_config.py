from __future__ import annotations

import pytest

from tidewheel.core.config import FILE_NAME, find_project, read_config, variable_name
from tidewheel.core.errors import ConfigError

SMALLEST = '[project]\nname = "flights"\n'


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def problems_of(root, environment=None):
    with pytest.raises(ConfigError) as caught:
        read_config(root, environment or {})
    return caught.value.problems


def test_the_smallest_file_gives_every_value_its_default(write):
    config = read_config(write(SMALLEST), {})
    assert config.project.name == "flights"
    assert (config.run.workers, config.serving.host, config.workspace.clock) == (0, "127.0.0.1", "wall")
    assert config.workspace_path == config.root / ".tidewheel"


def test_every_value_knows_where_it_comes_from(write):
    root = write(SMALLEST + "[run]\nworkers = 3\n")
    told = {path: (value, origin) for path, value, origin in read_config(root, {"TIDEWHEEL_RUN_PIN_DAYS": "7"}).items()}
    assert told["run.workers"] == (3, FILE_NAME)
    assert told["run.pin_days"] == (7, "TIDEWHEEL_RUN_PIN_DAYS")
    assert told["serving.port"] == (0, "default")
    assert len(told) == len(read_config(root, {}).origins)


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("project.name", "other", "other"),
        ("project.modules", '["a", "b"]', ("a", "b")),
        ("workspace.path", "[odd]", "[odd]"),
        ("workspace.clock", "virtual", "virtual"),
        ("workspace.catalog", '{"uri": "x"}', {"uri": "x"}),
        ("run.workers", "2", 2),
        ("serving.port", "8080", 8080),
        ("mlflow.is_enabled", "false", False),
        ("mlflow.is_enabled", "1", True),
    ],
)
def test_a_variable_overrides_the_file(write, path, text, value):
    config = read_config(write(SMALLEST), {variable_name(path): text})
    section, key = path.split(".")
    assert getattr(getattr(config, section), key) == value
    assert config.origins[path] == variable_name(path)


def test_a_variable_goes_before_a_wrong_value_in_the_file(write):
    assert read_config(write(SMALLEST + '[run]\nworkers = "x"\n'), {"TIDEWHEEL_RUN_WORKERS": "2"}).run.workers == 2


def test_the_process_s_variables_are_the_default(write, monkeypatch):
    monkeypatch.setenv("TIDEWHEEL_RUN_WORKERS", "5")
    assert read_config(write(SMALLEST)).run.workers == 5


def test_all_problems_come_at_once_each_with_its_path(write):
    root = write(
        """
        [project]
        modules = ["a", 7]
        nmae = "x"
        [run]
        workers = -1
        pin_days = "many"
        [servin]
        [mlflow]
        is_enabled = 1
        """
    )
    problems = problems_of(root, {"TIDEWHEEL_SERVING_PORT": "70000"})
    assert {problem.rpartition(" @ ")[2] for problem in problems} == {
        "$.project.modules[1]",
        "$.project.nmae",
        "$.project.name",
        "$.run.workers",
        "$.run.pin_days",
        "$.servin",
        "$.mlflow.is_enabled",
        "$TIDEWHEEL_SERVING_PORT",
    }
    told = "\n".join(problems)
    assert "did you mean 'name'?" in told
    assert "did you mean 'serving'?" in told
    assert "Expected `int`, got `str` @ $.run.pin_days" in told


def test_an_error_names_the_file_and_the_next_step(write):
    root = write("[project]\n")
    with pytest.raises(ConfigError) as caught:
        read_config(root, {})
    assert str(root / FILE_NAME) in str(caught.value)
    assert caught.value.next_step


def test_an_empty_file_misses_only_the_name(write):
    assert problems_of(write("")) == ("missing key 'name' @ $.project.name",)


@pytest.mark.parametrize("name", ["", "a b", "../up", ".hidden", "ü"])
def test_a_name_that_fits_no_folder_is_refused(write, name):
    (problem,) = problems_of(write(f'[project]\nname = "{name}"\n'))
    assert problem.endswith("@ $.project.name")


@pytest.mark.parametrize("line", ["run = 3", "run = []", 'run = "x"'])
def test_a_section_that_is_no_table_is_told(write, line):
    assert "expected a table @ $.run" in problems_of(write(f"{line}\n{SMALLEST}"))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("run.workers", "many"),
        ("run.workers", "-1"),
        ("run.workers", ""),
        ("mlflow.is_enabled", "perhaps"),
        ("workspace.clock", "sun"),
        ("project.modules", "a,b"),
        ("project.modules", '["a"'),
        ("workspace.catalog", '{"uri": 1}'),
        ("serving.segment_rows", "0"),
    ],
)
def test_a_wrong_variable_is_named(write, key, text):
    (problem,) = problems_of(write(SMALLEST), {variable_name(key): text})
    assert f"@ ${variable_name(key)}" in problem


def test_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError, match="there is no tidewheel.toml") as caught:
        read_config(tmp_path, {})
    assert "tidewheel init" in caught.value.next_step


@pytest.mark.parametrize("content", [b"name = ", b"[a]\n[a]\n", b"\xff\xfe[", b"{}"])
def test_what_is_no_toml_is_told_with_the_file(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ConfigError, match="is no TOML") as caught:
        read_config(tmp_path, {})
    assert str(tmp_path) in caught.value.where


def test_a_folder_in_place_of_the_file_is_told(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path, {})


def test_the_project_is_found_from_any_folder_below(write, tmp_path):
    root = write(SMALLEST)
    below = root / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below) == root.resolve()
    assert find_project(root) == root.resolve()
    assert find_project(tmp_path.parent) is None or find_project(tmp_path.parent) != root


LAKE = '[engines.lake]\nurl = "grpc+tls://lake.example:32010"\n'


def test_an_engine_is_declared_by_name_and_overridden_by_variables(write):
    root = write(SMALLEST + LAKE + 'token_variable = "LAKE_TOKEN"\n[engines.lake.session]\nschema = "sales"\n')
    config = read_config(root, {"TIDEWHEEL_ENGINES_LAKE_URL": "grpc+tls://other.example:1"})
    engine = config.engines["lake"]
    assert (engine.kind, engine.url, engine.token_variable) == (
        "flight-sql",
        "grpc+tls://other.example:1",
        "LAKE_TOKEN",
    )
    assert engine.session == {"schema": "sales"}
    told = {path: origin for path, _, origin in config.items()}
    assert told["engines.lake.url"] == "TIDEWHEEL_ENGINES_LAKE_URL"
    assert told["engines.lake.token_variable"] == FILE_NAME


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[engines.lake]\n", "missing key 'url'"),
        ('[engines.lake]\nurl = "https://lake.example:1"\n', "@ $.engines.lake.url"),
        ('[engines.lake]\nurl = "grpc+tls://me:secret@lake.example:1"\n', "@ $.engines.lake.url"),
        ('[engines.duckdb]\nurl = "grpc://localhost:1"\n', "'duckdb' is no name of an engine"),
        ('[engines."a b"]\nurl = "grpc://localhost:1"\n', "'a b' is no name of an engine"),
        ("[engines]\nlake = 1\n", "expected a table @ $.engines.lake"),
        ("engines = 1\n", "expected a table @ $.engines"),
        (LAKE + 'pasword_variable = "x"\n', "did you mean 'password_variable'"),
        (LAKE + 'user = "me"\n', "belong together"),
        (LAKE + 'user = "me"\npassword_variable = "P"\ntoken_variable = "T"\n', "not both"),
        (LAKE + 'token_variable = "s3cr3t-t0ken!"\n', "the secret itself does not belong here"),
        (LAKE + '[engines.lake.headers]\nAuthorization = "Bearer x"\n', "use token_variable"),
        ('[engines.lake]\nurl = "grpc://lake.example:1"\ntoken_variable = "T"\n', "unencrypted"),
        ('[engines.lake]\nurl = "grpc://localhost:1"\nroot_certificates = "ca.pem"\n', "are for grpc+tls"),
        (LAKE + "timeout_s = 0\n", "@ $.engines.lake.timeout_s"),
    ],
)
def test_a_wrong_engine_is_told_with_its_place_and_never_with_a_secret(write, text, problem):
    head, body = (text, SMALLEST) if text.startswith("engines") else (SMALLEST, text)
    (told,) = problems_of(write(head + body))
    assert problem in told
    assert "s3cr3t" not in told
    assert "secret@" not in told


def test_a_password_may_stay_on_this_machine_or_travel_when_that_is_wanted(write):
    secret = 'user = "me"\npassword_variable = "P"\n'
    read_config(write(SMALLEST + '[engines.lake]\nurl = "grpc://localhost:1"\n' + secret), {})
    wanted = '[engines.lake]\nurl = "grpc://lake.example:1"\nallows_plain_text = true\n'
    read_config(write(SMALLEST + wanted + secret), {})
