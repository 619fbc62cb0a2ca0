/* Folder names that cannot leave the results directory; files that appear whole or not at all. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"

Test(output, hostile_names_become_harmless_and_stay_different)
{
    static const char *const hostile[] = {
        "",
        ".",
        "..",
        "../../etc",
        "/etc/passwd",
        "a/b",
        "a b",
        "a'b",
        "a\"b",
        "`id`",
        "$(id)",
        "a;b",
        "a\nb",
        "<img>",
        "-rf",
        "sgdlab.db",
        "manifest.json",
        "\xc3\xa9t\xc3\xa9",
        "\xff\xfe",
        "con,fig",
        "name\\",
        "|ls",
        "%s%n",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aa",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "ab",
    };
    enum { COUNT = sizeof hostile / sizeof *hostile };
    char folder[COUNT][OUTPUT_FOLDER_MAX], plain[OUTPUT_FOLDER_MAX];
    for (size_t i = 0; i < COUNT; i++) {
        output_folder_name(hostile[i], folder[i]);
        size_t length = strlen(folder[i]);
        cr_expect(length > 0 && length < OUTPUT_FOLDER_MAX && folder[i][0] != '-');
        cr_expect(strspn(folder[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == length, "%s",
                  folder[i]);
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(folder[i], folder[j]);
    }
    output_folder_name("loss_vs-steps2", plain);
    cr_expect_str_eq(plain, "loss_vs-steps2");
}

static struct output_folder open_folder(char dir[32])
{
    struct output_folder folder;
    struct error error;
    strcpy(dir, "output_XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
    cr_assert(output_folder_open(dir, "inside", &folder, &error) == STATUS_OK, "%s", error.message);
    return folder;
}

static void remove_folder(const char *dir)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf -- '%s'", dir);
    cr_assert(system(command) == 0);
}

static long size_of(const char *dir, const char *name)
{
    char path[96];
    struct stat info;
    snprintf(path, sizeof path, "%s/inside/%s", dir, name);
    return stat(path, &info) == 0 ? (long)info.st_size : -1;
}

Test(output, a_file_is_there_when_it_is_kept)
{
    enum { LINES = 100000 }; /* longer than the buffer */
    char dir[32];
    struct output_file file;
    struct error error;
    struct output_folder folder = open_folder(dir);
    for (int round = 0; round < 3; round++) {
        cr_assert(output_file_open(&folder, "table.csv", &file, &error) == STATUS_OK);
        for (int i = 0; i < LINES; i++)
            output_write(&file, "0123456", 7);
        cr_expect(size_of(dir, "table.csv") == (round == 2 ? 7 * LINES : -1), "not before it is complete");
        if (round == 0) {
            output_file_drop(&file);
            cr_expect(size_of(dir, "table.csv") == -1 && size_of(dir, ".table.csv.part") == -1);
        } else {
            if (round == 2)
                output_write(&file, "8", 1);
            cr_expect(output_file_keep(&file, &error) == STATUS_OK);
            cr_expect(size_of(dir, "table.csv") == 7 * LINES + (round == 2) && size_of(dir, ".table.csv.part") == -1);
        }
    }
    output_folder_close(&folder);
    remove_folder(dir);
}

Test(output, a_full_disk_is_told)
{
    char dir[32];
    struct output_file file;
    struct error error;
    struct output_folder folder = open_folder(dir);
    if (access("/dev/full", W_OK) != 0)
        cr_skip_test("no /dev/full here");
    cr_assert(output_file_open(&folder, "table.csv", &file, &error) == STATUS_OK);
    int full = open("/dev/full", O_WRONLY);
    cr_assert(full >= 0 && dup2(full, file.descriptor) >= 0 && close(full) == 0);
    output_write(&file, "a line", 6);
    cr_expect(output_file_keep(&file, &error) == STATUS_IO);
    cr_expect(strstr(error.message, "No space left") && strstr(error.message, "export again"), "%s", error.message);
    cr_expect(size_of(dir, "table.csv") == -1 && size_of(dir, ".table.csv.part") == -1);
    output_folder_close(&folder);
    remove_folder(dir);
}

Test(output, makes_directories_on_the_way)
{
    char dir[32], path[64];
    struct stat info;
    struct error error;
    struct output_folder folder = open_folder(dir);
    output_folder_close(&folder);
    snprintf(path, sizeof path, "%s/a//b/c/", dir);
    cr_expect(output_make_directories(path, &error) == STATUS_OK, "%s", error.message);
    cr_expect(stat(path, &info) == 0 && S_ISDIR(info.st_mode));
    cr_expect(output_make_directories(path, &error) == STATUS_OK);
    cr_expect(output_make_directories("/", &error) == STATUS_OK);
    cr_expect(output_make_directories("/proc/no/such", &error) == STATUS_IO);
    remove_folder(dir);
}
