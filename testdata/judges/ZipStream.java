import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/**
 * Reads a zip as a stream, the way many receivers do: java.util.zip.ZipInputStream sees local headers only, never the
 * central directory, and refuses a stored entry that is followed by a data descriptor.
 *
 * <p>Usage: {@code java ZipStream.java [FILE]}; without FILE it reads standard input. One line per entry, in the order
 * of the stream: SHA-256 in lower-case hexadecimal, a blank, the size in bytes, a blank, the name in UTF-8. Exit code 1
 * if Java cannot read the zip, or if it holds no entry at all: for an empty or foreign stream Java reports no error.
 */
public final class ZipStream {
  private ZipStream() {}

  public static void main(String[] args) throws IOException, NoSuchAlgorithmException {
    StringBuilder lines = new StringBuilder();
    try (InputStream in = args.length == 0 ? System.in : new FileInputStream(args[0]);
        ZipInputStream zip = new ZipInputStream(new BufferedInputStream(in), StandardCharsets.UTF_8)) {
      byte[] buffer = new byte[1 << 16];
      for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        long size = 0;
        for (int n = zip.read(buffer); n >= 0; n = zip.read(buffer)) {
          digest.update(buffer, 0, n);
          size += n;
        }
        lines.append(HexFormat.of().formatHex(digest.digest())).append(' ').append(size).append(' ');
        lines.append(entry.getName()).append('\n');
      }
    } catch (IOException | IllegalArgumentException e) {
      System.err.println("ZipStream: " + e);
      System.exit(1);
    }
    if (lines.length() == 0) {
      System.err.println("ZipStream: no entry");
      System.exit(1);
    }
    System.out.write(lines.toString().getBytes(StandardCharsets.UTF_8));
    System.out.flush();
  }
}
