"""Where the data lies that is not in the repository: ``make acceptance DATA=...``."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--acceptance-data", type=Path, required=True, help="the folder with data/, seeds/ and acceptance/")


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.config.getoption("--acceptance-data")
    if not (folder / "data" / "pages").is_dir():
        pytest.exit(f"{folder}: holds no data/pages; give --acceptance-data the folder that does", returncode=2)
    return folder.resolve()
