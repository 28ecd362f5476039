"""Parsers against recorded text of the vendors' tools; detection through stand-in tools on PATH."""

import os
import sys

import pytest

from studio import devices
from studio.devices import Device
from studio.errors import StudioError

# the command of devices.NVIDIA_SMI
NVIDIA = """\
0, GPU-5b1f0a3e-7c52-9d11-0f6e-2f4c8a6b1d01, NVIDIA H200, 143771, 1024, 37, 120.55
1, GPU-c7d2e914-3b08-44aa-b1c5-90e2d6f7a402, NVIDIA H200, 143771, 0, 0, 76.12
"""
NVIDIA_UNIFIED = "0, GPU-a0000000-0000-0000-0000-000000000001, NVIDIA GB10, [N/A], [N/A], 3, 11.40\n"

# npu-smi info, one chip a card (910B3, driver 24.1)
NPU_910B = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.0                   Version: 24.1.0                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B3               | OK            | 93.6        40                0    / 0             |
| 0                         | 0000:C1:00.0  | 12          0    / 0          33551/ 65536         |
+===========================+===============+====================================================+
| 6     910B3               | Alarm         | 88.9        39                0    / 0             |
| 0                         | 0000:C2:00.0  | 0           0    / 0          2858 / 65536         |
+===========================+===============+====================================================+
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| 0       0                 | 99910         | python                   | 30692                   |
+===========================+===============+====================================================+
| No running processes found in NPU 6                                                            |
+===========================+===============+====================================================+
"""
# two chips a card (Atlas A3, driver 25.2): the second tells no power
NPU_A3 = """\
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     Ascend910           | OK            | 161.8       36                0    / 0             |
| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3122 / 65536         |
+------------------------------------------------------------------------------------------------+
| 0     Ascend910           | OK            | -           36                0    / 0             |
| 1     1                   | 0000:9F:00.0  | 0           0    / 0          2891 / 65536         |
+===========================+===============+====================================================+
"""
# an inference card without HBM (310P3, driver 25.3)
NPU_310P = """\
| NPU     Name                  | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
| Chip    Device                | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
+===============================+=================+======================================================+
| 6       310P3                 | OK              | NA           50                0     / 0             |
| 0       0                     | 0000:84:00.0    | 0            1839 / 21525                            |
+===============================+=================+======================================================+
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH of its own. `tools(name, text, code)` puts a tool there that prints the text and exits with the code."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for kind in devices.kinds():
        monkeypatch.delenv(kind.visible_variable or "UNSET", raising=False)

    def add(name: str, text: str, code: int = 0) -> None:
        (folder / f"{name}.txt").write_text(text)
        script = folder / name
        script.write_text(f"#!{sys.executable}\nimport sys\n"
                          f"print(open(__file__ + '.txt').read(), end='')\nsys.exit({code})\n")
        script.chmod(0o755)

    return add


def test_nvidia_smi_text():
    first, second = devices.parse_nvidia_smi(NVIDIA)
    assert first == Device("cuda", 0, "NVIDIA H200", 143771 / 1024, 1.0, 37.0, 120.55, first.uuid)
    assert first.uuid.startswith("GPU-5b1f") and (second.index, second.used_gib) == (1, 0.0)


def test_nvidia_smi_without_figures():
    (device,) = devices.parse_nvidia_smi(NVIDIA_UNIFIED)
    assert (device.memory_gib, device.used_gib, device.power_w) == (None, None, 11.4)


def test_npu_smi_text_counts_by_place():
    first, second = devices.parse_npu_smi(NPU_910B)
    assert first == Device("npu", 0, "Ascend 910B3", 64.0, 33551 / 1024, 12.0, 93.6)
    assert second.index == 1


def test_npu_smi_two_chips_a_card():
    first, second = devices.parse_npu_smi(NPU_A3)
    assert (first.name, first.power_w, first.memory_gib) == ("Ascend 910", 161.8, 64.0)
    assert (second.index, second.power_w, second.used_gib) == (1, None, 2891 / 1024)


def test_npu_smi_without_hbm():
    (device,) = devices.parse_npu_smi(NPU_310P)
    assert (device.name, device.memory_gib, device.power_w) == ("Ascend 310P3", 21525 / 1024, None)


@pytest.mark.parametrize("parse", [devices.parse_nvidia_smi, devices.parse_npu_smi, devices.parse_sysctl])
def test_noise_is_no_device(parse):
    assert parse("") == [] == parse("No devices were found\n")


def test_sysctl_text():
    assert devices.parse_sysctl("Apple M2 Max\n34359738368\n") == [Device("mps", 0, "Apple M2 Max", 32.0)]
    assert devices.parse_sysctl("Intel(R) Core(TM) i7-9750H\n17179869184\n") == []


def test_cpu_is_always_there_and_last(tools):
    tools("nvidia-smi", NVIDIA)
    found = devices.detect()
    assert [(device.kind, device.index) for device in found] == [("cuda", 0), ("cuda", 1), ("cpu", 0)]
    assert found[-1].name


@pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="needs Linux")
def test_cpu_memory_is_the_machines():
    import psutil

    (cpu,) = devices.read_cpu()
    assert cpu.memory_gib == pytest.approx(psutil.virtual_memory().total / 2**30, rel=0.01)
    assert 0 < cpu.used_gib < cpu.memory_gib


@pytest.mark.parametrize("value, indices", [
    ("1", [1]), ("1,0", [1, 0]), ("GPU-c7d2", [1]), ("", []), ("-1", []), ("0,7,1", [0]),
])
def test_visible_variable_narrows_and_orders(tools, monkeypatch, value, indices):
    tools("nvidia-smi", NVIDIA)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert [device.index for device in devices.detect() if device.kind == "cuda"] == indices


def test_auto_prefers_an_accelerator(tools):
    assert [device.kind for device in devices.resolve()] == ["cpu"]
    tools("npu-smi", NPU_910B)
    assert [(device.kind, device.index) for device in devices.resolve()] == [("npu", 0)]
    assert [device.index for device in devices.resolve("npu", [1, 0, 1])] == [1, 0]
    assert [device.kind for device in devices.resolve("cpu")] == ["cpu"]


def error_of(*arguments) -> StudioError:
    with pytest.raises(StudioError) as caught:
        devices.resolve(*arguments)
    return caught.value


def test_no_such_device(tools):
    error = error_of("cuda")
    assert error.key == "no_such_device" and "it has: cpu" in str(error)
    assert error_of("npu").key == "no_such_device" == error_of("abacus").key


def test_no_such_index(tools):
    tools("nvidia-smi", NVIDIA)
    assert "there are: 0, 1" in str(error_of("cuda", [2]))
    assert error_of("cpu", [1]).key == "no_such_device_index"


def test_hidden_devices_are_said(tools, monkeypatch):
    tools("nvidia-smi", NVIDIA)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert error_of("cuda").key == "devices_hidden"
    assert devices.resolve("auto")[0].kind == "cpu"


def test_a_broken_driver_is_said(tools):
    tools("nvidia-smi", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", code=9)
    assert "couldn't communicate" in str(error_of("cuda"))
    assert [tool for tool, _ in devices.complaints()] == ["nvidia-smi"]
    assert devices.resolve()[0].kind == "cpu"


def test_a_deaf_tool_is_given_up(tools, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "TOOL_TIMEOUT_S", 0.2)
    script = tmp_path / "tools" / "nvidia-smi"
    script.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(30)\n")
    script.chmod(0o755)
    assert error_of("cuda").key == "device_tool_failed"


def test_environment_names_just_the_chosen(tools):
    tools("nvidia-smi", NVIDIA)
    chosen = devices.environment(devices.resolve("cuda", [1]))
    assert chosen == {"CUDA_VISIBLE_DEVICES": "1", "ASCEND_RT_VISIBLE_DEVICES": "", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert devices.environment(devices.resolve("cpu"))["CUDA_VISIBLE_DEVICES"] == ""
