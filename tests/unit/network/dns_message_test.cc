// Messages of DNS: reading, writing, and what is no message.
#include <catch2/catch.hpp>

#include "network/dns/message.h"

namespace minikube::network::dns {
namespace {

using namespace std::string_literals;

Message Sample() {
  Message message;
  message.id = 0x1234;
  message.response = message.authoritative = message.recursion_desired = message.recursion_available = true;
  message.questions = {{"web.default.svc.cluster.local", kA}};
  message.answers = {{"web.default.svc.cluster.local", kCname, kInternet, 5, NameData("www.example.org")},
                     {"www.example.org", kA, kInternet, 60, "\x0a\x00\x00\x01"s}};
  message.authority = {{"example.org", kSoa, kInternet, 7, SoaData("ns.example.org", "me.example.org", 3, 9)}};
  message.additional = {
      {"_http._tcp.example.org", kSrv, kInternet, 5, SrvData(1, 2, 80, "www.example.org")},
      {"example.org", 15, kInternet, 5, "\x00\x0a"s + NameData("mail.example.org")},
      {"odd.example.org", 65280, kInternet, 5, "\xc0\x0c anything"s},
  };
  message.edns = Edns{1232, 0};
  return message;
}

// The wire form of a question for `name`, whose bytes are given, with a header before it.
std::string Query(const std::string& name) { return "\0\1\1\0\0\1\0\0\0\0\0\0"s + name + "\0\1\0\1"s; }

}  // namespace

TEST_CASE("What is written reads the same, and is compressed where readers understand it") {
  const Message message = Sample();
  const std::string bytes = WriteMessage(message, 65535);
  const auto read = ReadMessage(bytes);
  REQUIRE(read);
  CHECK(read->id == message.id);
  CHECK(read->questions == message.questions);
  CHECK(read->answers == message.answers);
  CHECK(read->authority == message.authority);
  CHECK(read->additional == message.additional);
  REQUIRE(read->edns);
  CHECK(read->edns->payload == 1232);
  CHECK(read->authoritative);
  CHECK_FALSE(read->truncated);
  CHECK(bytes.size() < 300);
  CHECK(MinimumIn(read->authority.front().data) == 9);
  // RFC 2782: the target of a kSrv is not.
  CHECK(bytes.find("\x03www\x07"
                   "example\x03org\x00"s) != std::string::npos);
}

TEST_CASE("What does not fit is left out, and said to be missing if it is an answer") {
  Message message = Sample();
  const auto limited = [&](std::size_t limit) {
    const std::string bytes = WriteMessage(message, limit);
    CHECK(bytes.size() <= limit);
    return *ReadMessage(bytes);
  };
  const Message some = limited(140);
  CHECK_FALSE(some.truncated);
  CHECK(some.answers == message.answers);
  CHECK(some.additional.size() < message.additional.size());
  CHECK(some.edns);
  for (int i = 0; i < 100; ++i) message.answers.push_back({"www.example.org", kA, kInternet, 60, "\x0a\x00\x00\x02"s});
  const Message cut = limited(512);
  CHECK(cut.truncated);
  CHECK(cut.answers.size() > 10);
  CHECK(cut.authority.empty());
  CHECK(cut.edns);
}

TEST_CASE("Names: case, bytes that are no letters, lengths") {
  CHECK(ReadMessage(Query("\3WeB\7Example\0"s))->questions.front().name == "web.example");
  const auto odd = ReadMessage(Query("\4a.b\xff\0"s));
  REQUIRE(odd);
  CHECK(odd->questions.front().name == "a\\.b\\255");
  CHECK(LabelsOf(odd->questions.front().name) == std::vector<std::string>{"a.b\xff"});
  CHECK(NameData(odd->questions.front().name) == "\4a.b\xff\0"s);
  CHECK(ReadMessage(Query("\0"s))->questions.front().name.empty());
  std::string longest;
  for (int i = 0; i < 3; ++i) longest += "\x3f" + std::string(63, 'a');
  CHECK(ReadMessage(Query(longest + "\x3d" + std::string(61, 'a') + "\0"s)));
  CHECK_FALSE(ReadMessage(Query(longest + "\x3e" + std::string(62, 'a') + "\0"s)));
  CHECK_FALSE(ReadMessage(Query("\x40" + std::string(64, 'a') + "\0"s)));
  CHECK(IsWithin("a.example", "example"));
  CHECK(IsWithin("example", "example"));
  CHECK_FALSE(IsWithin("anexample", "example"));
}

TEST_CASE("Pointers only lead back, so that reading ends") {
  CHECK_FALSE(ReadMessage(Query("\xc0\x0c"s)));           // to itself
  CHECK_FALSE(ReadMessage(Query("\1a\xc0\x0c"s)));        // to its own beginning
  CHECK_FALSE(ReadMessage(Query("\xc0\x20"s)));           // forwards
  CHECK_FALSE(ReadMessage(Query("\xc0\xff"s)));           // out of the message
  CHECK_FALSE(ReadMessage(Query("\x80\x01"s)));           // no such kind of label
  CHECK_FALSE(ReadMessage("\0\1\1\0\0\1\0\0\0\0\0\0"s));  // a question is missing
  CHECK_FALSE(ReadMessage("\0\1\1\0\0\0\0\1\0\0\0\0"s));  // an answer is missing
  CHECK(ReadMessage("\0\1\x83\0\0\0\0\1\0\0\0\0"s));      // and said to be
  CHECK_FALSE(ReadMessage("\0\1\1"s));
}

TEST_CASE("The question comes back as it was asked") {
  const std::string query = Query("\3WeB\7Example\0"s);
  Message answer;
  answer.questions = ReadMessage(query)->questions;
  answer.answers = {{"web.example", kA, kInternet, 5, "\x0a\x00\x00\x01"s}};
  const std::string bytes = WriteMessage(answer, 512, QuestionSection(query));
  CHECK(bytes.find("\3WeB\7Example\0"s) == 12);
  CHECK(ReadMessage(bytes)->answers == answer.answers);
  CHECK(bytes.find("web") == std::string::npos);
}

}  // namespace minikube::network::dns
