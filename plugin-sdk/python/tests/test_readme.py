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
    def test_the_plugin_and_its_test_work_as_they_stand(self):
        source, test = blocks(SDK / "README.md")
        plugin = types.ModuleType("plugin")
        exec(source, plugin.__dict__)
        before = sys.modules.get("plugin")
        sys.modules["plugin"] = plugin
        try:
            names = {}
            exec(test, names)
            names["test_it_greets"]()
        finally:
            sys.modules.pop("plugin")
            if before is not None:
                sys.modules["plugin"] = before

    def test_the_readme_of_the_repository_has_the_same_plugin(self):
        readme = SDK.parent.parent / "README.md"
        self.assertIn(blocks(SDK / "README.md")[0], blocks(readme))


if __name__ == "__main__":
    unittest.main()
