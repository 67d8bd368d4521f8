// How fast the codecs are on a pod of about 3 KB, as a Deployment with one container makes it.
//
//     bench_codec [seconds per measurement]
//
// Prints the build, the object's sizes, then `name value unit` with the median of five runs. MB are 10^6 bytes of the
// encoding in question.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <minikube/codec.h>

namespace minikube {
namespace {

constexpr std::string_view kPod = R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-7c5ddbdf54-x2x4z",
"generateName":"web-7c5ddbdf54-","namespace":"production","uid":"0f8fad5b-d9cb-469f-a165-70867728950e",
"resourceVersion":"1048576","creationTimestamp":"2026-01-02T03:04:05Z","labels":{"app":"web","app.kubernetes.io/name":
"web","app.kubernetes.io/part-of":"shop","pod-template-hash":"7c5ddbdf54"},"annotations":{
"prometheus.io/scrape":"true","prometheus.io/port":"9090"},"ownerReferences":[{"apiVersion":"apps/v1","kind":
"ReplicaSet","name":"web-7c5ddbdf54","uid":"7c9e6679-7425-40de-944b-e07fc1f90ae7","controller":true,
"blockOwnerDeletion":true}]},"spec":{"volumes":[{"name":"kube-api-access-4bz8x","projected":{"sources":[
{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{
"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1",
"fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}},{"name":"config","configMap":{"name":"web-config",
"defaultMode":420}}],"containers":[{"name":"web","image":"registry.example.com/shop/web:1.27.3","args":["--listen",
":8080","--verbose"],"ports":[{"name":"http","containerPort":8080,"protocol":"TCP"},{"name":"metrics","containerPort":
9090,"protocol":"TCP"}],"env":[{"name":"POD_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":
"metadata.name"}}},{"name":"LOG_LEVEL","value":"info"}],"resources":{"limits":{"cpu":"500m","memory":"256Mi"},
"requests":{"cpu":"250m","memory":"128Mi"}},"volumeMounts":[{"name":"config","mountPath":"/etc/web"},{"name":
"kube-api-access-4bz8x","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],
"livenessProbe":{"httpGet":{"path":"/healthz","port":8080,"scheme":"HTTP"},"initialDelaySeconds":5,"timeoutSeconds":1,
"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"terminationMessagePath":"/dev/termination-log",
"terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Always",
"terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","serviceAccount":
"default","nodeName":"node-17","securityContext":{},"schedulerName":"default-scheduler","tolerations":[{"key":
"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":
"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priority":0,
"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"},"status":{"phase":"Running","conditions":[{"type":
"Initialized","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:05Z"},{"type":"Ready",
"status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:08Z"},{"type":"PodScheduled","status":
"True","lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:05Z"}],"hostIP":"10.0.0.17","podIP":"10.244.3.9",
"podIPs":[{"ip":"10.244.3.9"}],"startTime":"2026-01-02T03:04:05Z","containerStatuses":[{"name":"web","state":{
"running":{"startedAt":"2026-01-02T03:04:07Z"}},"lastState":{},"ready":true,"restartCount":0,"image":
"registry.example.com/shop/web:1.27.3","imageID":"registry.example.com/shop/web@sha256:0d17b565c37bcbd895e9d92315a05c1c",
"containerID":"runc://4e0f1b5a7d1c","started":true}],"qosClass":"Burstable"}})";

// The compiler must not prove that a result is unused.
template <typename T>
void Keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

template <typename Work>
void Measure(std::string_view name, std::size_t bytes, double seconds, Work work) {
  using Clock = std::chrono::steady_clock;
  std::array<double, 5> rates{};
  for (double& rate : rates) {
    const auto start = Clock::now();
    std::size_t rounds = 0;
    double elapsed = 0;
    do {
      for (int i = 0; i < 100; ++i) work();
      rounds += 100;
      elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    } while (elapsed < seconds / static_cast<double>(rates.size()));
    rate = static_cast<double>(rounds * bytes) / elapsed / 1e6;
  }
  std::sort(rates.begin(), rates.end());
  fmt::print("{} {:.0f} MB/s\n", name, rates[2]);
  fmt::print("{}_per_object {:.0f} ns\n", name, static_cast<double>(bytes) / rates[2] * 1e3);
}

ObjectPtr MustDecode(MediaType type, std::string_view bytes) {
  Result<ObjectPtr> object = Decode(type, bytes, nullptr);
  if (!object) {
    fmt::print(stderr, "bench_codec: {}\n", object.status().ToString());
    std::exit(1);
  }
  return std::move(object).value();
}

int Run(double seconds) {
  const ObjectPtr pod = MustDecode(MediaType::kJson, kPod);
  const std::string json = EncodeJson(*pod);
  std::string protobuf;
  Encode(MediaType::kProtobuf, *pod, protobuf);
  const std::string yaml = EncodeYaml(*pod);
  if (!Equal(*pod, *MustDecode(MediaType::kProtobuf, protobuf)) || !Equal(*pod, *MustDecode(MediaType::kYaml, yaml))) {
    fmt::print(stderr, "bench_codec: the encodings disagree\n");
    return 1;
  }
  fmt::print("compiler g++-compatible {}.{}\njson_size {} bytes\nprotobuf_size {} bytes\n", __GNUC__, __GNUC_MINOR__,
             json.size(), protobuf.size());

  Measure("json_decode", json.size(), seconds, [&] { Keep(MustDecode(MediaType::kJson, json)); });
  std::string out;
  Measure("json_encode", json.size(), seconds, [&] {
    out.clear();
    Encode(MediaType::kJson, *pod, out);
    Keep(out);
  });
  Measure("protobuf_decode", protobuf.size(), seconds, [&] { Keep(MustDecode(MediaType::kProtobuf, protobuf)); });
  Measure("protobuf_encode", protobuf.size(), seconds, [&] {
    out.clear();
    Encode(MediaType::kProtobuf, *pod, out);
    Keep(out);
  });
  Measure("yaml_decode", yaml.size(), seconds, [&] { Keep(MustDecode(MediaType::kYaml, yaml)); });
  Measure("clone", json.size(), seconds, [&] { Keep(ObjectPtr::Clone(*pod)); });
  const ObjectPtr other = MustDecode(MediaType::kJson, json);
  Measure("equal", json.size(), seconds, [&] { Keep(Equal(*pod, *other)); });
  return 0;
}

}  // namespace
}  // namespace minikube

int main(int argc, char** argv) {
#ifndef NDEBUG
  (void)argc;
  (void)argv;
  std::fputs("bench_codec: this is a debug build; use the release preset\n", stderr);
  return 2;
#else
  return minikube::Run(argc > 1 ? std::atof(argv[1]) : 1.0);
#endif
}
