"""Licences under one name each, and a project's policy over them."""

import pytest

from scrapers.licences import judge, licence_name
from scrapers.settings import LicencePolicy

POLICY = LicencePolicy()


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/deed.de", "CC-BY-SA-4.0"),
        ("http://www.creativecommons.org/licenses/by/2.0/", "CC-BY-2.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
        ("CC BY-SA 3.0", "CC-BY-SA-3.0"),
        ("cc-by-nc-nd-2.0", "CC-BY-NC-ND-2.0"),
        ("CC by-sa 2.0", "CC-BY-SA-2.0"),
        ("by-nc 4.0", "CC-BY-NC-4.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International", "CC-BY-SA-4.0"),
        ("Attribution-NonCommercial 2.0 Generic", "CC-BY-NC-2.0"),
        ("Attribution-NonCommercial-NoDerivs License 2.0", "CC-BY-NC-ND-2.0"),
        ("CC0", "CC0-1.0"),
        ("cc0 1.0", "CC0-1.0"),
        ("CC0-1.0", "CC0-1.0"),
        ("Creative Commons Zero, Public Domain Dedication", "CC0-1.0"),
        ("pdm 1.0", "CC-PDM-1.0"),
        ("Public domain", "public-domain"),
        ("© 2024 Some Dealer", "all-rights-reserved"),
        ("Copyright Some Dealer. All rights reserved.", "all-rights-reserved"),
        ("All rights reserved", "all-rights-reserved"),
        (" MIT ", "MIT"),
        ("by the seller", "by the seller"),
        ("", None),
        (None, None),
    ],
)
def test_one_licence_has_one_name(stated: str | None, name: str | None) -> None:
    assert licence_name(stated) == name


@pytest.mark.parametrize("name", ["CC-BY-SA-4.0", "CC-BY-NC-ND-2.0", "CC0-1.0", "CC-PDM-1.0", "public-domain"])
def test_a_name_is_its_own_name(name: str) -> None:
    assert licence_name(name) == name


@pytest.mark.parametrize(
    ("stated", "verdict"),
    [
        (("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0"), "allowed"),
        (("CC BY", "https://creativecommons.org/licenses/by/4.0/"), "allowed"),
        (("CC0", None), "allowed"),
        (("some words of ours", "https://creativecommons.org/licenses/by/4.0/"), "allowed"),
        (("CC BY-NC 4.0", None), "refused"),
        (("CC BY-ND 4.0", None), "refused"),
        (("CC BY 4.0", "https://creativecommons.org/licenses/by-nc/4.0/"), "refused"),
        (("All rights reserved", "https://creativecommons.org/licenses/by/4.0/"), "refused"),
        (("CC BY 4.0", "https://creativecommons.org/licenses/by-sa/4.0/"), "unknown"),
        (("ask me", None), "unknown"),
        ((None, None), "unknown"),
    ],
)
def test_statements_are_judged_by_the_policy(stated: tuple[str | None, ...], verdict: str) -> None:
    assert judge(stated, POLICY) == verdict


def test_a_project_may_allow_everything_or_name_licences_of_its_own() -> None:
    assert judge((None, None), LicencePolicy(allowed=("*",), refused=())) == "allowed"
    assert judge(("Dealer contract 7",), LicencePolicy(allowed=("dealer contract *",))) == "allowed"
    assert judge(("CC BY 4.0",), LicencePolicy(allowed=("*",), refused=("CC-*",))) == "refused"
