"""Finding a browser, in made-up places."""

from __future__ import annotations

import sys

import pytest

from hwbench_pipeline.hardware import browsers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes POSIX executables")


def make_executable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def empty_machine(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv(browsers.BROWSER_VARIABLE, raising=False)
    monkeypatch.setattr(browsers, "_LINUX_PLACES", (str(tmp_path / "opt" / "chrome"),))
    monkeypatch.setattr(browsers, "_MACOS_PLACES", (str(tmp_path / "opt" / "chrome"),))
    return tmp_path


def test_none_where_there_is_none(empty_machine):
    assert browsers.find_browser() is None


def test_the_order_is_variable_then_path_then_known_places(empty_machine, monkeypatch):
    installed = make_executable(empty_machine / "opt" / "chrome")
    assert browsers.find_browser() == installed
    on_path = make_executable(empty_machine / "bin" / "chromium")
    assert browsers.find_browser() == on_path
    chosen = make_executable(empty_machine / "mine" / "browser")
    monkeypatch.setenv(browsers.BROWSER_VARIABLE, str(chosen))
    assert browsers.find_browser() == chosen


def test_a_wrong_variable_is_not_passed_over(empty_machine, monkeypatch):
    make_executable(empty_machine / "bin" / "chromium")
    monkeypatch.setenv(browsers.BROWSER_VARIABLE, str(empty_machine / "nothing"))
    with pytest.raises(browsers.BrowserSettingError, match=r"HWBENCH_BROWSER=.*nothing is not an executable.*Fix:"):
        browsers.find_browser()


ADAPTER = {"vendor": "google", "architecture": "swiftshader", "device": "", "description": "", "is_fallback": True}


@pytest.mark.parametrize(
    ("told", "name", "is_software"),
    [
        (ADAPTER, "SwiftShader (CPU)", True),
        ({**ADAPTER, "is_fallback": None}, "SwiftShader (CPU)", True),
        ({"vendor": "mesa", "description": "llvmpipe (LLVM 19)"}, "llvmpipe (CPU)", True),
        ({"vendor": "", "is_fallback": True}, "an adapter without a name (CPU)", True),
        ({"vendor": "nvidia", "architecture": "hopper", "is_fallback": False}, "nvidia hopper", False),
    ],
)
def test_software_adapters_are_called_so(told, name, is_software):
    assert (browsers.adapter_name(told), browsers.is_software_adapter(told)) == (name, is_software)


def test_the_runtimes_version_is_that_of_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr(browsers, "RUNTIME_FOLDER", tmp_path)
    assert browsers.web_runtime_version() is None
    (tmp_path / "package.json").write_text('{"version": "1.2.3"}')
    assert browsers.web_runtime_version() == "1.2.3"
    (tmp_path / "package.json").write_text("[")
    assert browsers.web_runtime_version() is None
