"""The options of a program are found in what its ecosystem prints and in its source."""

from __future__ import annotations

import pytest

from metta_sweep.config.proposal.help_text import options_in
from metta_sweep.config.proposal.hydra_config import config_in, groups_in, options_of
from metta_sweep.config.proposal.source_code import config_dict_of, is_hydra_app, wandb_config_of
from metta_sweep.config.proposal.source_code import options_of as declared

ARGPARSE = """\
usage: train.py [-h] [--lr LR] [-b BATCH_SIZE]

Train something: --not-an-option is mentioned here.

options:
  -h, --help            show this help message and exit
  --lr LR               learning rate (default: 0.1)
  -b BATCH_SIZE, --batch-size BATCH_SIZE
                        examples a step (default: 32)
  --optimizer {adam,sgd}
  --amp, --no-amp       mixed precision (default: True)
  --verbose             GPU memory is printed
  --sizes SIZES [SIZES ...]
  --name NAME
"""
SHORT_NAMES = """\
usage: train.py [-h] [-lr LR] [-bs {16,32,64}] [-w WINDOW WINDOW] [-amp]

options:
  -h, --help            show this help message and exit
  -lr LR                learning rate (default: 0.001)
  -bs {16,32,64}, --batch-size {16,32,64}
  -wd WEIGHT_DECAY, --weight-decay WEIGHT_DECAY
                        (default: 0.01)
  -w WINDOW WINDOW, --window WINDOW WINDOW
  -l [LAYERS ...], --layers [LAYERS ...]
  -amp
  -v                    more is printed
"""
OPTPARSE_OF_R = "Options:\n\t-l LR, --lr=LR\n\t\tLearning rate [default 0.01]\n\n\t--verbose\n\t\tPrint extra\n"
CLAP = """\
Options:
  -l, --lr <LR>                Learning rate [default: 0.001]
      --opt <OPT>              [default: adam] [possible values: adam, sgd]
      --amp                    Mixed precision
"""
CLI11 = """\
Options:
  -h,--help                   Print this help message and exit
  --lr FLOAT [0.01]           learning rate
  -b,--batch UINT=32          batch
"""
BOOST = "Allowed options:\n  --help                produce help message\n  --lr arg (=0.01)      learning rate\n"
GO = "Usage of ./train:\n  -amp\n    \tmixed precision\n  -lr float\n    \tlearning rate (default 0.01)\n"
YARGS = """\
Options:
      --version  Show version number                                   [boolean]
      --lr       learning rate                          [number] [default: 0.01]
      --opt      optimizer   [string] [choices: "adam", "sgd"] [default: "adam"]
"""
CLICK = """\
Usage: train.py [OPTIONS]

Options:
  --lr FLOAT                      Learning rate.  [default: 0.1]
  -b, --batch-size INTEGER RANGE  [default: 32; 1<=x<=512]
  --optimizer [adam|sgd]
  --amp / --no-amp
  --verbose
  --help                          Show this message and exit.
"""
TYRO = """\
╭─ options ─────────────────────────────────────────────────────╮
│ -h, --help              show this help message and exit       │
│ --lr FLOAT              Learning rate. (default: 0.0003)      │
│ --optimizer {adam,sgd}  (default: adam)                       │
│ --amp, --no-amp         Mixed precision. (default: True)      │
╰───────────────────────────────────────────────────────────────╯
╭─ net options ─────────────────────────────────────────────────╮
│ --net.width INT         (default: 64)                         │
╰───────────────────────────────────────────────────────────────╯
"""
TYPER = """\
╭─ Options ───────────────────────────────────────────────────────────────╮
│ *  --data              PATH     [required]                              │
│    --lr                FLOAT    Learning rate [default: 0.001]          │
│    --layers            INTEGER  [default: 2]                            │
╰─────────────────────────────────────────────────────────────────────────╯
"""
JSONARGPARSE = """\
  --model.lr LR         (type: float, default: 0.01)
  --trainer.max_epochs MAX_EPOCHS
                        (type: Optional[int], default: null)
  --trainer.benchmark_steps BENCHMARK_STEPS
                        How many. Default: ``1000``, or as ``(1, 2)`` says. (type: int, default: 5)
"""
ABSL = """\

       USAGE: train.py [flags]
flags:

train.py:
  --[no]anneal: Use --anneal to anneal.
    (default: 'false')
  -e,--env_name: which
    (default: 'HalfCheetah-v2')
  --eps: none by default
    (number <= 3)
  --hidden: units
    (default: '64')
    (a positive integer)
  --layers: layers of the network;
    repeat this option to specify a list of values
    (default: '[64, 64]')
    (an integer)
  --learning_rate: (a number is meant)
    (default: '0.001')
    (a non-negative number)
  --opt: <adam|sgd>: which
    (default: 'adam')
  --tau: share
    (default: '0.005')
    (a number in the range [0, 1])

Try --helpfull to get a list of all flags.
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            ARGPARSE,
            {
                "lr": ("float", 0.1),
                "batch-size": ("int", 32),
                "optimizer": ("choice", None),
                "amp": ("bool", True),
                "verbose": ("bool", False),
                "sizes": ("list", None),
                "name": ("unknown", None),
            },
        ),
        (
            SHORT_NAMES,
            {
                "lr": ("float", 0.001),
                "batch-size": ("choice", None),
                "weight-decay": ("float", 0.01),
                "window": ("unknown", None),
                "layers": ("list", None),
                "amp": ("bool", False),
            },
        ),
        (
            CLICK,
            {
                "lr": ("float", 0.1),
                "batch-size": ("int", 32),
                "optimizer": ("choice", None),
                "amp": ("bool", None),
                "verbose": ("bool", False),
            },
        ),
        (
            TYRO,
            {"lr": ("float", 0.0003), "optimizer": ("choice", "adam"), "amp": ("bool", True), "net.width": ("int", 64)},
        ),
        (TYPER, {"data": ("text", None), "lr": ("float", 0.001), "layers": ("int", 2)}),
        (
            JSONARGPARSE,
            {"model.lr": ("float", 0.01), "trainer.max_epochs": ("int", None), "trainer.benchmark_steps": ("int", 5)},
        ),
        (
            ABSL,
            {
                "anneal": ("bool", False),
                "env_name": ("text", "HalfCheetah-v2"),
                "eps": ("float", None),
                "hidden": ("int", 64),
                "layers": ("list", [64, 64]),
                "learning_rate": ("float", 0.001),
                "opt": ("choice", "adam"),
                "tau": ("float", 0.005),
            },
        ),
        (OPTPARSE_OF_R, {"lr": ("float", 0.01), "verbose": ("bool", False)}),
        (CLAP, {"lr": ("float", 0.001), "opt": ("choice", "adam"), "amp": ("bool", False)}),
        (CLI11, {"lr": ("float", 0.01), "batch": ("int", 32)}),
        (BOOST, {"lr": ("float", 0.01)}),
        (GO, {"amp": ("bool", False), "lr": ("float", 0.01)}),
        (YARGS, {"lr": ("float", 0.01), "opt": ("choice", "adam")}),
        ("", {}),
        ("training ...\nloss: 0.3\n---\n", {}),
    ],
)
def test_help_texts_are_read(text, expected):
    found = {option.name: (option.kind, option.default) for option in options_in(text)}
    assert found == expected


def test_a_default_of_none_is_told_from_none_that_is_said():
    text = "options:\n  --alpha ALPHA  noise (default: None)\n  --beta BETA\n  --gamma GAMMA  (default: 0.9)\n"
    assert {option.name: option.is_unset for option in options_in(text)} == {
        "alpha": True,
        "beta": False,
        "gamma": False,
    }


def test_a_name_with_one_hyphen_is_handed_over_with_one():
    listed = {option.name: option.style for option in options_in(SHORT_NAMES)}
    assert [name for name, style in listed.items() if style == "dash"] == ["lr", "amp"]
    source = 'p.add_argument("-lr", type=float, default=1e-3)\np.add_argument("-bs", "--batch", type=int, default=8)\n'
    found = declared(source + 'p.add_argument("-v", action="count")\n', suffix=".py")
    assert {name: (option.default, option.style) for name, option in found.items()} == {
        "lr": (0.001, "dash"),
        "batch": (8, ""),
    }


def test_choices_and_styles_come_along():
    found = {option.name: option for option in options_in(ARGPARSE)}
    assert found["optimizer"].choices == ("adam", "sgd")
    flags = {option.name: option for option in options_in(ABSL)}
    assert (flags["opt"].choices, flags["layers"].style, flags["anneal"].style) == (("adam", "sgd"), "repeat", "")
    assert (found["amp"].style, found["verbose"].style, found["sizes"].style) == ("switch", "flag", "words")


def test_a_source_says_types_and_defaults():
    source = """
p.add_argument("-b", "--batch-size", type=int, default=32)
p.add_argument("--lr", type=float, default=2.5e-3, help="x")
p.add_argument("--act", choices=["relu", "tanh"], default="relu")
p.add_argument("--amp", action="store_true")
p.add_argument("--fast", action=argparse.BooleanOptionalAction, default=True)
p.add_argument("--sizes", nargs="+", type=int)
p.add_argument("data")
@click.option("--depth/--no-depth", default=False)
@click.option("--wd", type=click.FloatRange(0), default=0.1)
def main(): ...
"""
    found = declared(source, suffix=".py")
    assert {name: (option.kind, option.default, option.style) for name, option in found.items()} == {
        "batch-size": ("int", 32, ""),
        "lr": ("float", 0.0025, ""),
        "act": ("choice", "relu", ""),
        "amp": ("bool", False, "flag"),
        "fast": ("bool", True, "switch"),
        "sizes": ("list", None, "words"),
        "depth": ("bool", False, "switch"),
        "wd": ("float", 0.1, ""),
    }
    assert declared("def (", suffix=".py") == {}


@pytest.mark.parametrize(
    "source",
    [
        """
def get_config(size="s"):
    config = ml_collections.ConfigDict()
    config.opt = ml_collections.ConfigDict()
    config.opt.lr = 3e-4
    config.opt.betas = (0.9, 0.99)
    config.tau: float = 0.005
    config.target = config_dict.placeholder(float)
    if size == "l":
        config.opt.lr = 1e-4
    return config
""",
        """
def get_config():
    opt = dict(lr=3e-4)
    config = ConfigDict({"tau": 0.005})
    config.opt = opt
    config.opt.betas = (0.9, 0.99)
    return config
""",
        """
def get_config():
    return ConfigDict({"opt": {"lr": 3e-4, "betas": (0.9, 0.99)}, "tau": 0.005, **MORE})
""",
    ],
)
def test_a_config_of_ml_collections_is_read_and_not_run(source):
    found = {option.name: (option.kind, option.default) for option in config_dict_of(source)}
    assert found == {"opt.lr": ("float", 0.0003), "opt.betas": ("list", (0.9, 0.99)), "tau": ("float", 0.005)}


@pytest.mark.parametrize("source", ["", "def (", "get_config = 3", "def get_config(): ...", "class get_config: ..."])
def test_another_python_file_is_no_config(source):
    assert config_dict_of(source) == []


def test_globals_that_a_configurator_replaces_are_options():
    source = """
learning_rate = 6e-4
batch_size = 12 # of one process
device = 'cuda'
wide = [1]
config_keys = [k for k in globals()]
exec(open('configurator.py').read()) # overrides from the command line
tokens = 1
def lr(): x = 1
"""
    found = {name: (option.kind, option.default) for name, option in declared(source, suffix=".py").items()}
    expected = {"learning_rate": ("float", 0.0006), "batch_size": ("int", 12), "device": ("text", "cuda")}
    assert found == expected | {"tokens": ("int", 1)}
    assert declared(source.replace("exec", "# exec"), suffix=".py") == {}


def test_javascript_says_defaults():
    source = """
const { step = 0.1, layers = 2 } = options;
const { other = 1 } = require("x");
yargs.option('lr', { type: 'number', default: 0.01 });
program.option('-w, --width <n>', 'units', 64);
"""
    found = declared(source, suffix=".js")
    assert {name: option.default for name, option in found.items()} == {
        "step": 0.1,
        "layers": 2,
        "lr": 0.01,
        "width": 64,
    }


def test_a_hydra_app_is_known_by_its_main():
    assert is_hydra_app("import hydra\n@hydra.main(version_base=None)\ndef main(cfg): ...")
    assert is_hydra_app("from hydra import main\n@main(version_base=None)\ndef run(cfg): ...")
    assert not is_hydra_app("def main(): ...")


HYDRA = """\
train is powered by Hydra.

== Configuration groups ==
Compose your configuration from those groups (group=option)

hydra/launcher: basic
model: cnn, mlp
only: one


== Config ==
Override anything in the config (foo.bar=value)

lr: 0.1
"""


def test_groups_are_options_and_their_own_keys_have_a_condition():
    assert groups_in(HYDRA) == {"model": ["cnn", "mlp"]}
    config = config_in("some warning\nlr: 0.1\nname: ${model.name}\nmodel:\n  name: mlp\n  width: 64\nhydra:\n  x: 1\n")
    assert config == {"lr": 0.1, "name": "${model.name}", "model": {"name": "mlp", "width": 64}}
    others = {
        ("model", "mlp"): config,
        ("model", "cnn"): {"lr": 0.1, "model": {"name": "cnn", "kernel": 3}},
    }
    found = {option.name: option for option in options_of(config, {"model": ["cnn", "mlp"]}, others)}
    assert found["model"].choices == ("cnn", "mlp")
    assert dict(found["model.width"].when) == {"model": "mlp"}
    assert dict(found["model.kernel"].when) == {"model": "cnn"}
    assert not found["lr"].when
    assert not found["model.name"].when
    assert "name" not in found


@pytest.mark.parametrize(
    "source",
    [
        "import wandb\nrun = wandb.init(project='x', config={'lr': 0.1, 'net': {'width': 64}, 'data': path})",
        "import wandb\nconfig = dict(lr=0.1, net=dict(width=64))\ndef main():\n    wandb.init(config=config)",
    ],
)
def test_what_wandb_init_is_given_is_read(source):
    assert {option.name: option.default for option in wandb_config_of(source)} == {"lr": 0.1, "net.width": 64}


@pytest.mark.parametrize(
    "source", ["wandb = (", "import wandb\nwandb.init(config=vars(args))", "wandb.init()", "init(config={})"]
)
def test_what_only_a_run_could_tell_of_wandb_config_is_left_alone(source):
    assert wandb_config_of(source) == []
