// Tables of nftables: the text of the first load, and of what has changed since.
#include <catch2/catch.hpp>

#include "network/nft/table.h"

namespace minikube::network {
namespace {

// A table that has been loaded: one map, one set, two chains.
Table Loaded() {
  Table table("t");
  table.PutSet("where", {"map", "type ipv4_addr : verdict"});
  table.PutSet("who", {"set", "type ipv4_addr"});
  table.PutChain("a", {"accept"});
  table.PutChain("b", {"type filter hook input priority 0;", "goto a"});
  table.PutElement("where", "10.0.0.1", "goto a");
  table.PutElement("who", "10.0.0.2");
  (void)table.TakeChanges();
  return table;
}

}  // namespace

TEST_CASE("The first text replaces whatever is there by all that is wanted") {
  Table table("t");
  table.PutSet("where", {"map", "type ipv4_addr : verdict"});
  table.PutChain("a", {"accept"});
  table.PutElement("where", "10.0.0.1", "goto a");
  table.PutElement("where", "10.0.0.2", "drop");
  REQUIRE(table.changed());
  CHECK(table.TakeChanges() ==
        "table ip t {}\n"
        "delete table ip t\n"
        "table ip t {\n"
        "  map where {\n"
        "    type ipv4_addr : verdict\n"
        "  }\n"
        "  chain a {\n"
        "    accept\n"
        "  }\n"
        "}\n"
        "add element ip t where { 10.0.0.1 : goto a,\n"
        "  10.0.0.2 : drop }\n");
  CHECK_FALSE(table.changed());
}

TEST_CASE("What has changed is loaded, and nothing else") {
  Table table = Loaded();
  table.PutElement("where", "10.0.0.1", "drop");
  table.PutElement("where", "10.0.0.9", "drop");
  table.DropElement("who", "10.0.0.2");
  table.PutChain("b", {"type filter hook input priority 0;", "drop"});
  table.PutChain("c", {"goto a"});
  CHECK(table.TakeChanges() ==
        "add chain ip t c\n"
        "flush chain ip t b\n"
        "add rule ip t b type filter hook input priority 0;\n"
        "add rule ip t b drop\n"
        "add rule ip t c goto a\n"
        "delete element ip t where { 10.0.0.1 }\n"
        "delete element ip t who { 10.0.0.2 }\n"
        "add element ip t where { 10.0.0.1 : drop,\n"
        "  10.0.0.9 : drop }\n");
  CHECK_FALSE(table.changed());
}

TEST_CASE("What is changed and changed back is no command") {
  Table table = Loaded();
  table.PutElement("where", "10.0.0.1", "drop");
  table.PutElement("where", "10.0.0.1", "goto a");
  table.PutElement("who", "10.0.0.3");
  table.DropElement("who", "10.0.0.3");
  CHECK(table.TakeChanges().empty());
}

TEST_CASE("What goes is first left by those who refer to it") {
  Table table = Loaded();
  table.DropSet("where");
  table.DropChain("a");
  table.PutChain("b", {"type filter hook input priority 0;"});
  const std::string text = table.TakeChanges();
  CHECK(text ==
        "flush chain ip t a\n"
        "flush chain ip t b\n"
        "add rule ip t b type filter hook input priority 0;\n"
        "delete map ip t where\n"
        "delete chain ip t a\n");
}

TEST_CASE("After a failure everything is loaded anew") {
  Table table = Loaded();
  table.DropChain("a");
  (void)table.TakeChanges();
  table.Forget();
  REQUIRE(table.changed());
  const std::string text = table.TakeChanges();
  CHECK(text.starts_with("table ip t {}\ndelete table ip t\n"));
  CHECK(text.find("chain a") == std::string::npos);
  CHECK(text.find("chain b") != std::string::npos);
}

TEST_CASE("A table is brought to what is wanted, by the difference") {
  Table table = Loaded();
  TableContent want = table.content();
  table.Bring(want);
  CHECK_FALSE(table.changed());
  want.sets["who"].elements = {{"10.0.0.7", ""}};
  want.sets.erase("where");
  want.chains.erase("a");
  want.chains["b"] = {"type filter hook input priority 0;"};
  table.Bring(want);
  CHECK(table.TakeChanges() ==
        "flush chain ip t a\n"
        "flush chain ip t b\n"
        "add rule ip t b type filter hook input priority 0;\n"
        "delete element ip t who { 10.0.0.2 }\n"
        "add element ip t who { 10.0.0.7 }\n"
        "delete map ip t where\n"
        "delete chain ip t a\n");
}

}  // namespace minikube::network
