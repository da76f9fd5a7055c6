"""Settings: what is taken, what is refused and in what words, and what an edit leaves alone."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs

from commonfab.node.home import config, config_edit, config_text, forms, founding, network_key
from commonfab.node.home.config import Network, Settings, Trade, Workshop
from commonfab.node.home.folder import Home
from commonfab.node.machines.settings import Machine, Material
from commonfab.protocol.errors import UsageError
from commonfab.protocol.records import Place, Stock

PEER = "/ip4/192.0.2.7/tcp/4411/p2p/12D3KooWLssHUMcbner3jRoN8TQee5CcSHHDZTxah9oF9kA8S4EJ"
BOBS = Workshop(name="Bob's", lat=48.1, lon=11.6)
HEAD = '[workshop]\nname = "Bob\'s"\nlat = 48.1\nlon = 11.6\n'
PRINTER = Machine(
    id="mk3",
    process="fff-printing",
    volume_mm=(250, 210, 210.5),
    materials=(Material(material="PETG", grams=950, price_per_kg=24.9),),
    price_per_hour=2.5,
)


def _parse(text: str, **environment: str) -> Settings:
    return config.parse(text, "commonfab.toml", environment)


def test_a_short_file_is_enough_and_keeps_a_node_to_its_own_computer() -> None:
    settings = _parse(HEAD)

    assert settings == Settings(workshop=BOBS)
    assert settings.network.listen == ("/ip4/127.0.0.1/tcp/0",)
    assert not settings.network.mdns


def test_nobody_is_begun_with_unless_the_operator_says_so() -> None:
    assert _parse(HEAD).network.bootstrap == ()
    named = _parse(f'{HEAD}[network]\nbootstrap = ["{PEER}"]\n')
    assert named.network.bootstrap == (PEER,)
    with pytest.raises(
        UsageError, match=r"commonfab\.toml:6: network\.bootstrap: .* no peer in it"
    ):
        _parse(f'{HEAD}[network]\nbootstrap = ["/ip4/192.0.2.7/tcp/4411"]\n')


def test_the_key_of_a_private_network_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "network.key"
    network = _parse(f'{HEAD}[network]\nprivate_key_file = "{path}"\n').network

    assert _parse(HEAD).network.psk is None
    with pytest.raises(UsageError, match="no such key"):
        assert network.psk
    key = network_key.create(path)
    assert network.psk == key


def test_a_new_file_explains_every_setting_and_reads_back_as_it_was_written() -> None:
    settings = Settings(
        workshop=Workshop(
            name='"Fab" \\ läb', about="# no comment", lat=-1.5, lon=0, currency="CHF"
        ),
        network=Network(listen=("/ip6/::1/tcp/4411",), peers=(PEER,), mdns=True),
        trade=Trade(grace_s=5),
    )

    text = config_text.compose(settings)

    assert _parse(text) == settings
    for section in (Workshop, Network, Trade):
        for field in structs.fields(section):
            assert f"\n{field.name} = " in text or f"\n# {field.name} = " in text


def test_every_setting_says_what_it_means() -> None:
    for section in (Workshop, Network, Trade, Machine):
        for field in structs.fields(section):
            metas = getattr(field.type, "__metadata__", ())
            assert any(meta.description for meta in metas), f"{section.__name__}.{field.name}"


def test_the_environment_is_stronger_than_the_file() -> None:
    settings = _parse(
        HEAD,
        COMMONFAB_WORKSHOP_NAME="Alice's",
        COMMONFAB_WORKSHOP_LAT="-1",
        COMMONFAB_NETWORK_LISTEN="/ip4/0.0.0.0/tcp/1, /ip6/::/tcp/2",
        COMMONFAB_NETWORK_PEERS="",
        COMMONFAB_NETWORK_MDNS="true",
        COMMONFAB_TRADE_GRACE_S="5",
        COMMONFAB_HOME="/elsewhere",
        PATH="/bin",
    )

    assert settings.workshop == structs.replace(BOBS, name="Alice's", lat=-1.0)
    assert settings.network == Network(
        listen=("/ip4/0.0.0.0/tcp/1", "/ip6/::/tcp/2"), peers=(), mdns=True
    )
    assert settings.trade == Trade(grace_s=5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name =\n", r"commonfab\.toml: not TOML: .*line 1"),
        ("", r"commonfab\.toml: this setting is missing: `workshop`"),
        (
            '[workshop]\nname = "Bob"\nlon = 1\n',
            r"toml:1: workshop: this setting is missing: `lat`",
        ),
        ("workshop = 3\n", r"workshop: expected table, got whole number"),
        (HEAD + "[netwrk]\n", r"toml:5: netwrk: no such setting; did you mean network\?"),
        (
            HEAD + "\n[network]\n# litsen = 1\nlitsen = []\n",
            r"toml:8: network\.litsen: no such setting; did you mean listen\?",
        ),
        (
            HEAD + "[trade]\nzzz = 1\n",
            r"trade\.zzz: no such setting; there are accept, ask, capacity_s",
        ),
        (
            HEAD + "[trade]\ngrace_s = '5'\n",
            r"toml:6: trade\.grace_s: expected whole number, got t",
        ),
        (HEAD + "[trade]\ngrace_s = 0\n", r"trade\.grace_s: expected whole number >= 1"),
        (
            HEAD + "[network]\ndht_peers = ['/ip4/192.0.2.1/tcp/1']\n",
            r"toml:6: network\.dht_peers: /ip4.*no peer in it",
        ),
        (
            HEAD + "[profile.near-us]\ntrust_floor = 2\n",
            r"toml:6: profile\.near-us\.trust_floor: 2 is above 1, the highest",
        ),
        (
            HEAD + "[profile.near-us]\n# quick = 1\nquick = 1\n",
            r"toml:7: profile\.near-us\.quick: no such weight; there are transport_minor",
        ),
        (
            HEAD + '[profile."a+b"]\ntrust_floor = 1\n',
            r"toml:5: profile\.a\+b: expected a word of small letters and digits",
        ),
        (HEAD + f"[profile.{'x' * 41}]\n", r"toml:5: profile\.x+: expected text of length <= 40"),
        (HEAD + "[profile]\nx = 3\n", r"toml:5: profile: expected table, got whole number"),
        (
            HEAD + "[trade]\nprofile = 'cheap+fast'\n",
            r"toml:6: trade\.profile: expected a word of small letters and digits",
        ),
        (
            HEAD + "[energy]\nbattery_wh = 100\n",
            r"toml:6: energy\.battery_wh: it is that of panels, and there are none in panel_w",
        ),
        (
            HEAD + "[energy]\npanel_w = 100\npanel_kwh_a_year = 877\n",
            r"toml:7: energy\.panel_kwh_a_year: panels of 100 W could not give more than 876",
        ),
        (
            HEAD + "[ipfs]\nrouters = ['http://example.org']\n",
            r"toml:6: ipfs\.routers: .* is not a routing server",
        ),
        (HEAD.replace("48.1", "91"), r"toml:3: workshop\.lat: expected number <= 90"),
        (HEAD.replace("Bob's", "a\\u001b[2J"), r"toml:2: workshop\.name"),
        (HEAD + "place_precision = 9\n", r"workshop\.place_precision: expected whole number <= 6"),
        (
            HEAD + '[network]\nlisten = ["0.0.0.0:4411"]\n',
            r"toml:6: network\.listen: 0\.0\.0\.0:44",
        ),
        (HEAD + '[network]\npeers = ["/ip4/1.2.3.4/tcp/5"]\n', r"network\.peers: .*no peer in it"),
        (HEAD + '[[machine]]\nid = "a"\n', r"toml:5: machine: this setting is missing: `process`"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_way_out(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        _parse(text)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("COMMONFAB_NETWORK_LITSEN", "x", "no such setting; did you mean COMMONFAB_NETWORK_LISTEN"),
        ("COMMONFAB_TRADE_GRACE_S", "soon", "COMMONFAB_TRADE_GRACE_S=soon: expected whole number"),
        ("COMMONFAB_TRADE_GRACE_S", "0", "expected whole number >= 1"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    variable: str, value: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        _parse(HEAD, **{variable: value})


def _with_machines(*machines: Machine) -> str:
    text = HEAD
    for machine in machines:
        text = config_text.add_machine(text, machine)
    return text


def test_a_mistake_in_the_second_machine_is_found_there() -> None:
    second = structs.replace(PRINTER, id="laser", process="laser-cutting")
    text = _with_machines(PRINTER, second)
    line = text.splitlines().index('process = "laser-cutting"') + 1

    with pytest.raises(UsageError, match=rf"toml:{line}: machine\.process: expected a word"):
        _parse(text.replace('"laser-cutting"', '"Laser!"'))
    with pytest.raises(UsageError, match=r"machine\.materials\.gramms: .*did you mean grams"):
        _parse(text.replace("grams", "gramms"))


def test_two_machines_of_one_name_are_refused() -> None:
    text = _with_machines(PRINTER, PRINTER)

    with pytest.raises(UsageError, match="two machines are called mk3"):
        _parse(text)


def test_a_file_that_is_not_there_not_text_or_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "commonfab.toml"

    with pytest.raises(UsageError, match="commonfab init"):
        config.load(path, {})
    path.write_bytes(HEAD.encode("utf-16"))
    with pytest.raises(UsageError, match="not UTF-8"):
        config.load(path, {})
    path.write_bytes(b"#" * (1 << 21))
    with pytest.raises(UsageError, match="not settings"):
        config.load(path, {})


def test_a_machine_is_told_to_others_in_units_of_the_wire() -> None:
    assert PRINTER.volume_um == (250_000, 210_000, 210_500)
    assert PRINTER.price_minor_per_hour == 250
    assert PRINTER.speed_permille == 1000
    assert PRINTER.stock() == (Stock(material="PETG", mass_mg=950_000, price_minor_per_kg=2490),)


# Geohash cells computed by hand: u281 is 47.98828125..48.1640625 N, 11.25..11.6015625 E.
def test_others_learn_the_middle_of_a_geohash_cell() -> None:
    place = Workshop(name="Bob", lat=48.1, lon=11.6).place_for_others()

    assert (place.lat_udeg, place.lon_udeg) == (48_076_172, 11_425_781)


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180), precision=st.integers(3, 6))
def test_the_true_place_is_within_the_accuracy_that_others_are_told(
    lat: float, lon: float, precision: int
) -> None:
    told = Workshop(name="Bob", lat=lat, lon=lon, place_precision=precision).place_for_others()

    true = Place(lat_udeg=round(lat * 1e6), lon_udeg=round(lon * 1e6))
    assert _distance_m(true, told) <= told.accuracy_m + 1


def test_all_places_of_a_cell_are_told_as_one() -> None:
    told = {
        Workshop(name="Bob", lat=48.0 + step / 100, lon=11.3 + step / 50).place_for_others()
        for step in range(15)
    }

    assert len(told) == 1


def _distance_m(a: Place, b: Place) -> float:
    from math import asin, cos, radians, sin, sqrt

    lat_a, lat_b = radians(a.lat_udeg / 1e6), radians(b.lat_udeg / 1e6)
    d_lon = radians((b.lon_udeg - a.lon_udeg) / 1e6)
    h = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(d_lon / 2) ** 2
    return 2 * 6_371_009 * asin(min(1.0, sqrt(h)))


def _home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "node")
    founding.found(home, Settings(workshop=BOBS))
    return home


def test_adding_a_machine_keeps_all_that_a_person_has_written(tmp_path: Path) -> None:
    home = _home(tmp_path)
    before = home.config.read_text() + "# My own words.\n"
    home.config.write_text(before)

    config_edit.add_machine(home, PRINTER)

    assert home.config.read_text().startswith(before)
    assert config.load(home.config, {}).machines == (PRINTER,)
    assert stat.S_IMODE(home.config.stat().st_mode) == 0o600


def test_removing_a_machine_leaves_the_others_and_the_comments(tmp_path: Path) -> None:
    home = _home(tmp_path)
    other = structs.replace(PRINTER, id="mk4")
    config_edit.add_machine(home, PRINTER)
    home.config.write_text(home.config.read_text() + "# By the window.\n")
    config_edit.add_machine(home, other)

    assert config_edit.remove_machine(home, "mk4") == other
    assert "# By the window." in home.config.read_text()
    assert config_edit.remove_machine(home, "mk3") == PRINTER

    assert config.load(home.config, {}) == Settings(workshop=BOBS)
    config_edit.add_machine(home, other)
    assert config.load(home.config, {}).machines == (other,)


def test_a_name_that_is_taken_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    home = _home(tmp_path)

    with pytest.raises(UsageError, match="mk3: no such machine; there are none"):
        config_edit.remove_machine(home, "mk3")
    config_edit.add_machine(home, PRINTER)
    with pytest.raises(UsageError, match="commonfab machine remove mk3"):
        config_edit.add_machine(home, PRINTER)
    with pytest.raises(UsageError, match=r"mk2: no such machine; did you mean mk3\?"):
        config_edit.remove_machine(home, "mk2")

    assert config.load(home.config, {}).machines == (PRINTER,)


def test_a_file_with_a_mistake_is_not_edited(tmp_path: Path) -> None:
    home = _home(tmp_path)
    text = home.config.read_text() + "\n[trade.extra]\n"
    home.config.write_text(text)

    with pytest.raises(UsageError, match=r"trade\.extra"):
        config_edit.add_machine(home, PRINTER)

    assert home.config.read_text() == text


def test_a_link_to_the_settings_stays_a_link(tmp_path: Path) -> None:
    home = _home(tmp_path)
    elsewhere = tmp_path / "settings.toml"
    home.config.rename(elsewhere)
    home.config.symlink_to(elsewhere)

    config_edit.add_machine(home, PRINTER)

    assert home.config.is_symlink()
    assert config.load(elsewhere, {}).machines == (PRINTER,)


def test_an_edit_puts_a_whole_new_file_in_place_of_the_old_with_its_mode(tmp_path: Path) -> None:
    home = _home(tmp_path)
    home.config.chmod(0o644)
    before = os.umask(0o077)
    with home.config.open() as old:
        text = home.config.read_text()
        try:
            config_edit.add_machine(home, PRINTER)
        finally:
            os.umask(before)

        assert old.read() == text
    assert stat.S_IMODE(home.config.stat().st_mode) == 0o644


def test_edits_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    home = _home(tmp_path)
    machines = [structs.replace(PRINTER, id=f"m{index}") for index in range(12)]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(partial(config_edit.add_machine, home), machines))

    ids = {machine.id for machine in config.load(home.config, {}).machines}
    assert ids == {machine.id for machine in machines}


HOURS = 'hours = ["Mon-Fri 09:00-18:00"]\n'


def with_machine(lines: str) -> str:
    return HEAD + (
        '[[machine]]\nid = "mk3"\nprocess = "fff-printing"\nvolume_mm = [1, 1, 1]\n'
        f'materials = [{{material = "PLA", grams = 1}}]\n{lines}'
    )


@pytest.mark.parametrize("section", [Settings, Machine, Material])
def test_no_mistake_is_told_as_a_pattern(section: type[Struct]) -> None:
    patterns = set(_patterns(msgspec.inspect.type_info(section)))

    assert patterns
    assert patterns <= set(forms.IN_WORDS)


def _patterns(told: object) -> Iterator[str]:
    match told:
        case msgspec.inspect.StrType(pattern=str(pattern)):
            yield pattern
        case msgspec.inspect.Metadata(type=inner) | msgspec.inspect.Field(type=inner):
            yield from _patterns(inner)
        case msgspec.inspect.VarTupleType(item_type=inner):
            yield from _patterns(inner)
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            yield from _patterns(key)
            yield from _patterns(value)
        case msgspec.inspect.StructType(fields=fields):
            for field in fields:
                yield from _patterns(field)
        case _:
            return


def test_the_smallest_volume_is_one_that_can_be_told() -> None:
    text = with_machine("").replace("[1, 1, 1]", "[1, 0.001, 1]")

    assert config.parse(text, "f", {}).machines[0].volume_um == (1000, 1, 1000)
    with pytest.raises(UsageError, match=r"f:8: machine.volume_mm: expected number >= 0.001"):
        config.parse(text.replace("0.001", "0.0001"), "f", {})


def test_a_machine_says_its_tool_and_its_hours() -> None:
    text = with_machine(f"{HOURS}nozzle_mm = 0.4\ntolerance_mm = 0.15\ntemperature_c = 290\n")

    [machine] = config.parse(text, "f", {}).machines

    assert (machine.nozzle_um, machine.tolerance_um, machine.temperature_c) == (400, 150, 290)
    assert machine.hours == ("Mon-Fri 09:00-18:00",)
    assert machine.attended == ()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ('hours = ["9-18"]\n', r"f:\d+: machine.hours: '9-18' are no hours; write"),
        ('attended = ["Mon 09:00-24:01"]\n', r"f:\d+: machine.attended: .* 00:00 to 24:00"),
        (f'{HOURS}attended = ["Sat 9:00-18:00"]\n', r"f:\d+: machine.attended: nobody is there in"),
        ("nozzle_mm = -0.4\n", "machine.nozzle_mm"),
        ("nozzle_mm = nan\n", "machine.nozzle_mm"),
        (
            "nozzle_mm = 0.0004\n",
            r"f:\d+: machine.nozzle_mm: 0.0004 is less than can be told; 0, or",
        ),
        ("tolerance_mm = 0.0004\n", r"f:\d+: machine.tolerance_mm: 0.0004 is less than"),
        ("price_per_hour = 0.001\n", r"f:\d+: machine.price_per_hour: 0.001 is less than"),
        ("speed = 0.0001\n", r"f:\d+: machine.speed: expected number >= 0.001"),
        ("time_lapse = 1e-300\n", r"f:\d+: machine.time_lapse: expected number >= 0.001"),
    ],
)
def test_hours_and_tools_that_cannot_be_are_refused_where_they_stand(lines: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        config.parse(with_machine(lines), "f", {})


def test_a_community_has_profiles_of_its_own() -> None:
    text = HEAD + (
        '[trade]\nprofile = "neighbours"\n'
        "[profile.neighbours]\ndistance_max_km = 50\n[profile.green]\ntrust_floor = 0.3\n"
    )

    profiles = config.parse(text, "f", {}).profiles()

    assert profiles.weights("") == profiles.weights("neighbours")
    assert profiles.weights("").distance_max_km == 50
    assert profiles.weights("green").trust_floor == 0.3
    assert profiles.weights("green").carbon_minor_per_kg == 3_000


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            '[trade]\nprofile = "quick"\n',
            r"f:\d+: trade.profile: quick: no such profile; there are",
        ),
        ("[profile.mine]\ntust_floor = 1\n", r"f:6: profile.mine.tust_floor: no such weight"),
        ("[profile.mine]\ntrust_floor = nan\n", r"f:6: profile.mine.trust_floor: expected number"),
        ("[profile.mine]\ntrust_floor = -1\n", r"f:6: profile.mine.trust_floor: expected number"),
        ('[trade]\nmakes_for = "nobody"\n', "trade.makes_for"),
    ],
)
def test_a_profile_or_rule_that_there_is_not_is_refused_where_it_stands(
    lines: str, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        config.parse(HEAD + lines, "f", {})
