"""Scripts are written as modules; a page carries them as one script that does the same."""

from importlib.resources import files

import pytest
from support.browser import opened

from at2_rag.errors import FileFormatError
from at2_rag.view.scripts import joined, modules_of

#: Each has names of its own that others have as well, as modules may.
MODULES = {
    "first.js": """\
// Export and import are words, too.
const name = "first";
export const told = () => name;
export async function late() { return name; }
""",
    "third.js": """\
import { told, late } from "./first.js";

const name = "third"; // its own
let count = 0;

export class Third {
  // How often it was told, and by whom.
  async told() {
    count += 1;
    return `${told()} ${await late()} ${name} ${count}`;
  }
}
""",
    "all.js": """\
import { Third } from "./third.js";
import { told } from "./first.js";

const name = "all";
new Third().told().then((said) => {
  document.documentElement.dataset.ready = [said, told(), name, typeof late, typeof count].join();
});
""",
}


def read_of(**texts):
    """Return what reads the modules above, and others by their names."""
    return {**MODULES, **{f"{name}.js": text for name, text in texts.items()}}.__getitem__


def test_what_is_imported_comes_first_and_once():
    assert modules_of("all.js", read_of()) == ("first.js", "third.js", "all.js")
    assert modules_of("first.js", read_of()) == ("first.js",)


def test_modules_share_what_they_export_and_nothing_else(browser, tmp_path):
    html = f'<!doctype html><script type="module">{joined("all.js", read_of())}</script>'
    with opened(browser, html, tmp_path) as page:
        found = page.evaluate("document.documentElement.dataset.ready")
    assert found == "first first third 1,first,all,undefined,undefined"


def test_what_nobody_runs_is_left_out():
    text = joined("all.js", read_of())
    assert "too." not in text
    assert "by whom" not in text
    assert "\n " not in text
    assert "\n\n" not in text


@pytest.mark.parametrize(
    "line",
    [
        'import told from "./first.js";',
        'import * as first from "./first.js";',
        'import { told as other } from "./first.js";',
        'import "./first.js";',
        'import { told } from "first.js";',
        'import { told } from "../first.js";',
        "import { told } from './first.js';",
        ' import { told } from "./first.js";',
        'import { told } from "./first.js"; told();',
        "import {",
        'const first = import("./first.js");',
        "const { url } = import.meta;",
        "export default told;",
        "export { told };",
        'export * from "./first.js";',
        "export let told = 1;",
        "export const { told } = first;",
        "export function* told() {}",
        "  export const told = 1;",
        "await told();",
        "const found = await told();",
        "const text = `begins",
        "const text = 'begins \\",
    ],
)
def test_what_is_not_understood_is_refused(line):
    with pytest.raises(FileFormatError, match=r"^wrong\.js, line 2, is .*; expected import"):
        joined("wrong.js", read_of(wrong=f"const told = 0;\n{line}\n"))


def test_only_what_is_exported_can_be_imported():
    wrong = 'import { told, name } from "./first.js";\n'
    with pytest.raises(FileFormatError, match=r"imports name from first\.js, .* told, late to"):
        modules_of("wrong.js", read_of(wrong=wrong))


def test_modules_do_not_import_each_other():
    a, b = 'import { b } from "./b.js";\n', 'import { a } from "./a.js";\n'
    with pytest.raises(FileFormatError, match="a → b → a import each other"):
        modules_of("a.js", read_of(a=a, b=b))


@pytest.mark.parametrize("end", ["</script>", "</SCRIPT ", "<!--"])
def test_no_script_ends_the_element_that_it_stands_in(end):
    with pytest.raises(FileFormatError, match="ends a script in a page"):
        joined("wrong.js", read_of(wrong=f'const text = "{end}";\n'))


def test_all_scripts_are_part_of_a_page():
    there = {path.name for path in files("at2_rag.view").joinpath("assets").iterdir()}
    used = {name for script in ("whole_page.js", "heads.js") for name in modules_of(script)}
    assert used == {name for name in there if name.endswith(".js")}
