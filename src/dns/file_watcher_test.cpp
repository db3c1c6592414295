#include "dns/file_watcher.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace weft::dns {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class DnsFileWatcher : public testing::Test {
 protected:
  DnsFileWatcher() {
    std::string pattern = testing::TempDir() + "/weft-watch-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~DnsFileWatcher() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  /// Until it was told again, or far too long.
  bool told() {
    const int before = count_;
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (count_ == before && std::chrono::steady_clock::now() < end) io_.run_one_for(100ms);
    return count_ > before;
  }
  void look_often() { io_.run_for(100ms); }

  fs::path folder_;
  asio::io_context io_;
  int count_ = 0;
  FileWatcher watcher_{io_, [this] { ++count_; }, 5ms};
};

TEST_F(DnsFileWatcher, ToldOnceWhenWrittenAndWhenReplacedAndWhenGone) {
  auto path = write("a", "one");
  watcher_.watch({path});
  look_often();
  EXPECT_EQ(count_, 0);
  write("a", "two, longer");
  EXPECT_TRUE(told());
  look_often();
  EXPECT_EQ(count_, 1);
  fs::rename(write("b", "two, longer"), path);
  EXPECT_TRUE(told());
  fs::remove(path);
  EXPECT_TRUE(told());
  write("a", "back");
  EXPECT_TRUE(told());
}

TEST_F(DnsFileWatcher, AConfigMapsMountChangesByALink) {
  fs::create_directory(folder_ / "v1");
  fs::create_directory(folder_ / "v2");
  write("v1/Corefile", "same");
  write("v2/Corefile", "same");
  fs::create_symlink("v1", folder_ / "..data");
  fs::create_symlink("..data/Corefile", folder_ / "Corefile");
  watcher_.watch({folder_ / "Corefile"});
  look_often();
  EXPECT_EQ(count_, 0);
  fs::create_symlink("v2", folder_ / "..data_tmp");
  fs::rename(folder_ / "..data_tmp", folder_ / "..data");
  EXPECT_TRUE(told());
}

}  // namespace
}  // namespace weft::dns
