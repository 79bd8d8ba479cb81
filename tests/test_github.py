"""Forms and workflows of GitHub, and hooks: as their schemas want them, on targets that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
FORMS = sorted(
    set((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"}
)
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def targets_called(script: str) -> list[str]:
    """The words behind `make` in a shell script that are neither options nor variables."""
    called = []
    for line in script.splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words.pop(0)
        if words and words[0] == "make":
            called += [word for word in words[1:] if "=" not in word and word[0] != "-"]
    return called


# Forms -----------------------------------------------------------------------------------------

# https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema
FORM_KEYS = {"name", "description", "body", "title", "labels", "assignees", "projects", "type"}
# What an element of each type must and may say of itself.
ATTRIBUTES = {
    "markdown": ({"value"}, set()),
    "input": ({"label"}, {"description", "placeholder", "value"}),
    "textarea": ({"label"}, {"description", "placeholder", "value", "render"}),
    "dropdown": ({"label", "options"}, {"description", "multiple", "default"}),
    "checkboxes": ({"label", "options"}, {"description"}),
}


def test_there_are_forms() -> None:
    assert [form.stem for form in FORMS] == ["bug", "slow", "wish"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_is_one_of_githubs(form: Path) -> None:
    about = load(form)
    assert {"name", "description", "body"} <= set(about) <= FORM_KEYS
    assert all(isinstance(about[key], str) and about[key] for key in ("name", "description"))
    elements = about["body"]
    for element in elements:
        must, may = ATTRIBUTES[element["type"]]
        assert set(element) <= {"type", "id", "attributes", "validations"}
        assert must <= set(element["attributes"]) <= must | may
        assert set(element.get("validations", {})) <= {"required"}
    fields = [element for element in elements if element["type"] != "markdown"]
    assert fields
    for name in (
        [field["id"] for field in fields],
        [field["attributes"]["label"] for field in fields],
    ):
        assert len(set(name)) == len(name)
    assert all(re.fullmatch(r"[\w-]+", field["id"]) for field in fields)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_choices_of_a_form(form: Path) -> None:
    """YAML reads a bare yes or no as a boolean, which GitHub refuses."""
    for element in load(form)["body"]:
        options = element["attributes"].get("options", [])
        if element["type"] == "dropdown":
            assert all(isinstance(option, str) for option in options)
            assert len(set(options)) == len(options)
            assert 0 <= element["attributes"].get("default", 0) < len(options)
        if element["type"] == "checkboxes":
            assert all({"label"} <= set(option) <= {"label", "required"} for option in options)


def test_names_of_forms_differ() -> None:
    names = [load(form)["name"] for form in FORMS]
    assert len(set(names)) == len(names)


def test_the_chooser_is_configured() -> None:
    config = load(GITHUB / "ISSUE_TEMPLATE/config.yml")
    assert set(config) <= {"blank_issues_enabled", "contact_links"}
    assert config["blank_issues_enabled"] is False


# Workflows and hooks ---------------------------------------------------------------------------


def steps(workflow: Any) -> list[Any]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_one_of_githubs(path: Path) -> None:
    workflow = load(path)
    assert True in workflow  # YAML reads the key "on" as a boolean, and GitHub knows it
    assert workflow["jobs"]
    for job in workflow["jobs"].values():
        assert "runs-on" in job or "uses" in job
        assert set(
            [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        ) <= set(workflow["jobs"])
    for step in steps(workflow):
        assert ("run" in step) != ("uses" in step)
        assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w./-]+@\S+", step["uses"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_targets_that_exist(path: Path) -> None:
    called = [
        target for step in steps(load(path)) for target in targets_called(step.get("run", ""))
    ]
    assert set(called) <= targets()


def test_ci_does_nothing_but_call_them() -> None:
    scripts = [step["run"] for step in steps(load(GITHUB / "workflows/ci.yml")) if "run" in step]
    assert len(scripts) >= 3
    for script in scripts:
        assert script == ".ci/run" or targets_called(script)


def test_hooks_call_targets_that_exist() -> None:
    [repository] = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"  # nothing is downloaded
    for hook in repository["hooks"]:
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert hook["language"] == "system"
        assert targets_called(hook["entry"])
        assert set(targets_called(hook["entry"])) <= targets()


@pytest.mark.parametrize(
    ("script", "called"),
    [
        ("make lint types", ["lint", "types"]),
        ("WSCORE_BUILD=require make test ARGS=-q", ["test"]),
        ("pip install make\nmake -k wheels # make nothing", ["wheels"]),
        (".ci/run", []),
    ],
)
def test_targets_are_found(script: str, called: list[str]) -> None:
    assert targets_called(script) == called
