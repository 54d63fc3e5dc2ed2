"""The code of the README is that of a plugin that works."""

import re
import sys
import types
import unittest
from pathlib import Path

SDK = Path(__file__).parent.parent
sys.path.insert(0, str(SDK / "src"))


def blocks(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


class Readme(unittest.TestCase):
    def test_the_plugins_and_their_tests_work_as_they_stand(self):
        greet, test_greet, price, test_price = blocks(SDK / "README.md")
        for source, test, name in ((greet, test_greet, "test_it_greets"), (price, test_price, "test_it_prices")):
            self.passes(source, test, name)

    def passes(self, source, test, name):
        plugin = types.ModuleType("plugin")
        exec(source, plugin.__dict__)
        before = sys.modules.get("plugin")
        sys.modules["plugin"] = plugin
        try:
            names = {}
            exec(test, names)
            names[name]()
        finally:
            sys.modules.pop("plugin")
            if before is not None:
                sys.modules["plugin"] = before

    def test_the_readme_of_the_repository_has_the_same_plugin(self):
        readme = SDK.parent.parent / "README.md"
        self.assertIn(blocks(SDK / "README.md")[0], blocks(readme))


if __name__ == "__main__":
    unittest.main()
