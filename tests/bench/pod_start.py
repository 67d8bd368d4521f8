"""Time from creating a pod to Running, beside what the OCI runtime alone takes for a container of the same image.

usage: pod_start.py KUBECONFIG ROOTFS
"""
import base64
import http.client
import json
import os
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 10


def connect(kubeconfig):
    text = open(kubeconfig).read()
    host = re.search(r"server: https://(\S+)", text).group(1)
    files = {}
    for key in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
        with tempfile.NamedTemporaryFile(delete=False) as out:
            out.write(base64.b64decode(re.search(key + r": \"?([A-Za-z0-9+/=]+)", text).group(1)))
            files[key] = out.name
    context = ssl.create_default_context(cafile=files["certificate-authority-data"])
    context.load_cert_chain(files["client-certificate-data"], files["client-key-data"])
    for name in files.values():
        os.unlink(name)
    return lambda: http.client.HTTPSConnection(host, context=context)


def call(connection, verb, path, body=None):
    connection.request(verb, path, body and json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status >= 300:
        sys.exit(f"{verb} {path}: {data.decode()}")
    return json.loads(data)


def pod_start(new_connection, name):
    """Seconds from sending the pod to seeing it Running on a watch."""
    base = "/api/v1/namespaces/default/pods"
    requests, watch = new_connection(), new_connection()
    revision = call(requests, "GET", base)["metadata"]["resourceVersion"]
    watch.request("GET", f"{base}?watch=1&resourceVersion={revision}&fieldSelector=metadata.name={name}")
    stream = watch.getresponse()
    begin = time.monotonic()
    call(requests, "POST", base, {
        "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [
            {"name": "c", "image": "bench/busybox:1", "command": ["/bin/busybox", "sleep", "1000"]}]}})
    for line in stream:
        if json.loads(line)["object"].get("status", {}).get("phase") == "Running":
            break
    took = time.monotonic() - begin
    watch.close()
    call(requests, "DELETE", f"{base}/{name}")
    return took


def runc_start(rootfs, number):
    """Seconds for `runc run --detach` of one plain container."""
    with tempfile.TemporaryDirectory() as bundle:
        subprocess.run(["runc", "spec", "--bundle", bundle], check=True)
        path = os.path.join(bundle, "config.json")
        spec = json.load(open(path))
        spec["root"] = {"path": rootfs, "readonly": True}
        spec["process"].update(terminal=False, args=["/bin/busybox", "sleep", "1000"])
        json.dump(spec, open(path, "w"))
        name = f"minikube-bench-{os.getpid()}-{number}"
        begin = time.monotonic()
        subprocess.run(["runc", "run", "--detach", "--bundle", bundle, name], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        took = time.monotonic() - begin
        subprocess.run(["runc", "delete", "--force", name], check=True)
        return took


def main():
    new_connection = connect(sys.argv[1])
    while not call(new_connection(), "GET", "/api/v1/namespaces/default/serviceaccounts")["items"]:
        pass
    ours, alone = [], []
    for i in range(RUNS):
        ours.append(pod_start(new_connection, f"bench-{i}"))
        alone.append(runc_start(sys.argv[2], i))
    ours_ms, alone_ms = statistics.median(ours) * 1000, statistics.median(alone) * 1000
    print(f"create_to_running {ours_ms:.1f} ms runc_alone {alone_ms:.1f} {ours_ms / alone_ms:.2f}")


main()
