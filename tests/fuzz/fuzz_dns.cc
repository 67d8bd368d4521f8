// Whatever comes to the DNS port is read or refused, in bounded time; what is read can be written and is then the same.
#include "fuzz.h"
#include "network/dns/message.h"

namespace minikube::fuzz {
namespace {

using namespace std::string_literals;
using namespace network::dns;  // NOLINT(google-build-using-namespace): all of it is about them

void CheckMessage(const Message& message) {
  const std::string bytes = WriteMessage(message, 65535);
  const auto again = ReadMessage(bytes);
  Check(again.has_value(), "what was written can be read");
  Check(again->questions == message.questions, "questions stay");
  if (again->truncated) return;  // it was longer without compression
  Check(again->answers == message.answers, "answers stay");
  Check(again->edns.has_value() == message.edns.has_value(), "EDNS stays");
  Check(WriteMessage(message, 512).size() <= 65535, "a limit is kept");
  for (const Question& question : message.questions) {
    Check(question.name.size() <= 4 * 255, "a name is bounded");
    Check(NameIn(NameData(question.name)) == question.name, "a name can be written");
    Check(IsWithin(question.name, question.name), "a name is within itself");
  }
}

}  // namespace

std::vector<std::string> Seeds() {
  Message message;
  message.id = 1;
  message.recursion_desired = true;
  message.questions = {{"_http._tcp.web.default.svc.cluster.local", kSrv}};
  std::vector<std::string> seeds = {WriteMessage(message, 512)};
  message.response = true;
  message.edns = Edns{1232, 0};
  message.answers = {{"a.example", kCname, kInternet, 5, NameData("b.example")},
                     {"b.example", kA, kInternet, 5, "\1\2\3\4"s},
                     {"b.example", kSrv, kInternet, 5, SrvData(1, 2, 3, "c.b.example")},
                     {"b.example", 15, kInternet, 5, "\0\1"s + NameData("mail.example")}};
  message.authority = {{"example", kSoa, kInternet, 5, SoaData("ns.example", "me.example", 1, 5)}};
  message.additional = {{"example", kTxt, kInternet, 5, TxtData("text")}};
  seeds.push_back(WriteMessage(message, 4096));
  seeds.push_back("\0\1\1\0\0\1\0\0\0\0\0\0\3www\xc0\x0c\0\1\0\1"s);
  seeds.push_back(
      "\0\1\x81\x80\0\1\0\2\0\0\0\0\3www\0\0\1\0\1\xc0\x0c\0\5\0\1\0\0\0\5\0\2\xc0\x0c\xc0\x21\0\1\0\1\0\0\0\5\0\4\1\2\3\4"s);
  return seeds;
}

}  // namespace minikube::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minikube;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)network::dns::QuestionSection(bytes);
  (void)network::dns::NameIn(bytes);
  if (const auto message = network::dns::ReadMessage(bytes)) fuzz::CheckMessage(*message);
  return 0;
}
