#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "standalone/sandbox/container_log.h"
#include "standalone/sandbox/volumes.h"

namespace weft::standalone::sandbox {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::MatchesRegex;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    char name[] = "/tmp/wt-sandbox-files-XXXXXX";
    dir = ::mkdtemp(name);
  }
  ~FilesTest() override { fs::remove_all(dir); }
  static std::string read(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  fs::path dir;
};

using LogFileTest = FilesTest;
using VolumeTest = FilesTest;

TEST_F(LogFileTest, LinesCutAnywhereAreWhole) {
  auto log = LogFile::open(dir / "log");
  ASSERT_TRUE(log);
  log->write(0, "on");
  log->write(1, "err\n");
  log->write(0, "e\ntwo\n\nlast");
  log->finish();
  EXPECT_THAT(
      read(dir / "log"),
      MatchesRegex("[0-9T:.-]+Z stderr F err\n[0-9T:.-]+Z stdout F one\n[^ ]+ stdout F two\n[^ ]+ stdout F \n"
                   "[^ ]+ stdout F last\n"));
}

TEST_F(LogFileTest, LongLinesComeInPieces) {
  auto log = LogFile::open(dir / "log");
  log->write(0, std::string(20'000, 'x') + "\n");
  auto text = read(dir / "log");
  EXPECT_THAT(text, HasSubstr(" stdout P xxx"));
  EXPECT_THAT(text, HasSubstr(" stdout F xxx"));
}

TEST_F(LogFileTest, SizeIsBounded) {
  auto log = LogFile::open(dir / "log", 10'000);
  for (int i = 0; i < 1000; ++i) log->write(0, "a line of some length " + std::to_string(i) + "\n");
  EXPECT_LE(fs::file_size(dir / "log"), 10'000U);
  EXPECT_LE(fs::file_size(dir / "log.1"), 10'000U);
  EXPECT_THAT(read(dir / "log"), HasSubstr("length 999\n"));
}

TEST_F(VolumeTest, IsReplacedAtOnce) {
  auto folder = (dir / "v").string();
  ASSERT_TRUE(write_object_volume(folder, {{"a", {"1", 0644}}, {"sub/b", {"2", 0400}}}));
  EXPECT_EQ(read(dir / "v/a"), "1");
  EXPECT_EQ(read(dir / "v/sub/b"), "2");
  struct stat st{};
  ASSERT_EQ(::stat((folder + "/sub/b").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0400U);
  auto before = fs::read_symlink(dir / "v/..data");
  ASSERT_TRUE(write_object_volume(folder, {{"a", {"1", 0644}}, {"sub/b", {"2", 0400}}}));
  EXPECT_EQ(fs::read_symlink(dir / "v/..data"), before) << "nothing changed";
  ASSERT_TRUE(write_object_volume(folder, {{"a", {"3", 0644}}}));
  EXPECT_EQ(read(dir / "v/a"), "3");
  EXPECT_FALSE(fs::exists(fs::symlink_status(dir / "v/sub")));
  EXPECT_FALSE(fs::exists(dir / "v" / before)) << "the old content goes";
}

TEST_F(VolumeTest, PlainKinds) {
  kube::Volume volume;
  volume.name = "v";
  auto none = prepare_plain_volume(volume, dir / "x");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("not supported"));
  volume.emptyDir.emplace();
  ASSERT_TRUE(prepare_plain_volume(volume, dir / "x"));
  EXPECT_TRUE(fs::is_directory(dir / "x"));
  volume.emptyDir.reset();
  volume.hostPath.emplace().path = dir / "host";
  EXPECT_EQ(prepare_plain_volume(volume, "").error().code, ErrorCode::not_found);
  volume.hostPath->type = "DirectoryOrCreate";
  EXPECT_TRUE(prepare_plain_volume(volume, ""));
  volume.hostPath->type = "File";
  EXPECT_THAT(prepare_plain_volume(volume, "").error().message, HasSubstr("is not a File"));
}

TEST_F(VolumeTest, MountsStayInside) {
  kube::Container container;
  container.volumeMounts.resize(1);
  auto& mount = container.volumeMounts[0];
  mount.name = "v";
  mount.mountPath = "/data/";
  mount.subPathExpr = "$(N)/x";
  auto mounts = container_mounts(container, {{"v", dir}}, {{"N", "1"}});
  ASSERT_TRUE(mounts);
  EXPECT_EQ(mounts->front().target, "/data");
  EXPECT_EQ(mounts->front().source, dir / "1/x");
  mount.subPathExpr = "a/../../etc";
  EXPECT_FALSE(container_mounts(container, {{"v", dir}}, {}));
  mount.name = "w";
  EXPECT_FALSE(container_mounts(container, {{"v", dir}}, {}));
}

}  // namespace
}  // namespace weft::standalone::sandbox
