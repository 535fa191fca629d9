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
    monkeypatch.delenv(browsers.FIREFOX_VARIABLE, raising=False)
    monkeypatch.setattr(browsers, "_FIREFOX_LINUX_PLACES", (str(tmp_path / "opt" / "firefox"),))
    monkeypatch.setattr(browsers, "_FIREFOX_MACOS_PLACES", (str(tmp_path / "opt" / "firefox"),))
    monkeypatch.setattr(browsers, "WEBNN_BROWSER_FOLDER", tmp_path / "webnn")
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


def test_firefox_is_found_in_the_same_order(empty_machine, monkeypatch):
    assert browsers.find_firefox() is None
    installed = make_executable(empty_machine / "opt" / "firefox")
    assert browsers.find_firefox() == installed
    on_path = make_executable(empty_machine / "bin" / "firefox-esr")
    assert browsers.find_firefox() == on_path
    chosen = make_executable(empty_machine / "mine" / "firefox-nightly")
    monkeypatch.setenv(browsers.FIREFOX_VARIABLE, str(chosen))
    assert browsers.find_firefox() == chosen
    assert browsers.find_browser() is None


def test_a_wrong_firefox_is_not_passed_over(empty_machine, monkeypatch):
    make_executable(empty_machine / "bin" / "firefox")
    monkeypatch.setenv(browsers.FIREFOX_VARIABLE, str(empty_machine / "nothing"))
    with pytest.raises(browsers.BrowserSettingError, match=r"HWBENCH_FIREFOX=.*nothing is not an executable.*Fix:"):
        browsers.find_firefox()
    monkeypatch.setenv(browsers.FIREFOX_VARIABLE, str(make_executable(empty_machine / "chrome")))
    with pytest.raises(browsers.BrowserSettingError, match=r"HWBENCH_FIREFOX=.*chrome is not Firefox.*Fix:"):
        browsers.find_firefox()


def test_firefox_is_known_by_its_name_where_it_links_to_and_what_lies_beside_it(tmp_path):
    named = make_executable(tmp_path / "usr" / "firefox-esr")
    link = tmp_path / "browser"
    link.symlink_to(named)
    renamed = make_executable(tmp_path / "fork" / "fox")
    assert [browsers.is_firefox(path) for path in (named, link, renamed)] == [True, True, False]
    (tmp_path / "fork" / "application.ini").write_text("[App]\n")
    assert browsers.is_firefox(renamed)
    assert not browsers.is_firefox(make_executable(tmp_path / "chromium"))


def test_every_browser_is_listed_once_and_the_usual_one_first(empty_machine, monkeypatch):
    assert browsers.installed_browsers() == []
    chrome = make_executable(empty_machine / "opt" / "google" / "chrome")
    (empty_machine / "bin" / "google-chrome").symlink_to(chrome)
    (empty_machine / "bin" / "google-chrome-stable").symlink_to(chrome)
    edge = make_executable(empty_machine / "bin" / "msedge")
    built = make_executable(empty_machine / "webnn" / "chromium")
    firefox = make_executable(empty_machine / "bin" / "firefox")
    found = browsers.installed_browsers()
    assert [path.resolve() for path in found] == [chrome, edge, built, firefox]
    chosen = make_executable(empty_machine / "mine" / "firefox-nightly")
    monkeypatch.setenv(browsers.BROWSER_VARIABLE, str(chosen))
    assert [path.resolve() for path in browsers.installed_browsers()] == [chosen, chrome, edge, built]
    monkeypatch.setenv(browsers.FIREFOX_VARIABLE, str(firefox))
    assert browsers.installed_browsers()[-1] == firefox


@pytest.mark.parametrize(
    ("told", "does"),
    [
        ({"vendor": "", "architecture": "", "device": "", "description": "", "is_fallback": True}, False),
        ({}, False),
        ({"vendor": "", "description": "llvmpipe"}, True),
    ],
)
def test_whether_an_adapter_names_itself(told, does):
    assert browsers.adapter_names_itself(told) == does


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
