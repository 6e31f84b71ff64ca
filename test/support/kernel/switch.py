# Stands between Open vSwitch's database and who asks it, and does beside it what the kernel's switch does: before an answer is
# passed on, a port of a bridge of the type "system" has the master ovs-system, and a former one has none any more.
# Usage: switch.py SOCKET DATABASE OFF  Listens at SOCKET; while the file OFF is there it only passes on.
import json, os, socket, subprocess, sys, threading

HERE, THERE, OFF = sys.argv[1:]
QUESTIONS = [
    {"op": "select", "table": "Bridge", "where": [["datapath_type", "==", ""]], "columns": ["name", "ports"]},
    {"op": "select", "table": "Port", "where": [], "columns": ["_uuid", "name"]},
]
taken = set()
lock = threading.Lock()


def wanted():
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(THERE)
        there.sendall(json.dumps({"id": 0, "method": "transact", "params": ["Open_vSwitch", *QUESTIONS]}).encode())
        text = b""
        while True:
            text += there.recv(65536)
            try:
                bridges, ports = json.loads(text)["result"]
                break
            except ValueError:
                continue
    names = {row["_uuid"][1]: row["name"] for row in ports["rows"]}
    found = set()
    for row in bridges["rows"]:
        kind, value = row["ports"]
        members = value if kind == "set" else [row["ports"]]
        found |= {names[uuid] for _, uuid in members if uuid in names} - {row["name"]}
    return found


def follow():
    with lock:
        if os.path.exists(OFF):
            return
        present = wanted()
        for name in taken - present:
            if os.path.exists(f"/sys/class/net/{name}"):
                subprocess.run(["ip", "link", "set", name, "nomaster"], check=False)
        for name in present:
            folder = f"/sys/class/net/{name}"
            if os.path.exists(folder) and not os.path.exists(f"{folder}/master"):
                subprocess.run(["ip", "link", "set", name, "master", "ovs-system"], check=False)
        taken.clear()
        taken.update(present)


def carry(source, target, before):
    try:
        while data := source.recv(65536):
            before()
            target.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


server = socket.socket(socket.AF_UNIX)
server.bind(HERE)
server.listen(64)
while True:
    client, _ = server.accept()
    database = socket.socket(socket.AF_UNIX)
    database.connect(THERE)
    threading.Thread(target=carry, args=(client, database, lambda: None), daemon=True).start()
    threading.Thread(target=carry, args=(database, client, follow), daemon=True).start()
