import com.helger.as2lib.crypto.ECryptoAlgorithmSign;
import com.helger.as2lib.crypto.ICryptoHelper;
import com.helger.as2lib.util.AS2Helper;
import com.helger.as2lib.util.AS2ResourceHelper;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Base64;
import javax.mail.BodyPart;
import javax.mail.internet.InternetHeaders;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMultipart;
import javax.mail.internet.MimeUtility;

/**
 * Has as2-lib verify a signed message of several files, and JavaMail below it take the multipart apart.
 *
 * <p>Usage: {@code java As2LibParts.java CERTIFICATE CONTENT_TYPE BODY}, with as2-lib on the class path. It prints the MIC that
 * as2-lib would put into the receipt, and a line for each part: type, SHA-256 of the content, Content-ID, file name.
 */
public final class As2LibParts {
  public static void main(String[] args) throws Exception {
    System.setProperty("mail.mime.decodeparameters", "true"); // RFC 2231
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    X509Certificate signer;
    try (InputStream in = Files.newInputStream(Path.of(args[0]))) {
      signer = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
    }
    InternetHeaders header = new InternetHeaders();
    header.setHeader("Content-Type", args[1]);
    ICryptoHelper crypto = AS2Helper.getCryptoHelper();
    MimeBodyPart content;
    try (AS2ResourceHelper files = new AS2ResourceHelper()) {
      content = crypto.verify(new MimeBodyPart(header, Files.readAllBytes(Path.of(args[2]))), signer, false, true, c -> {}, files);
    }
    out.println(crypto.calculateMIC(content, ECryptoAlgorithmSign.DIGEST_SHA_256, true).getAsAS2String());
    MimeMultipart parts = (MimeMultipart) content.getContent();
    for (int i = 0; i < parts.getCount(); i++) {
      BodyPart part = parts.getBodyPart(i);
      byte[] sum = MessageDigest.getInstance("SHA-256").digest(part.getInputStream().readAllBytes());
      out.println(part.getContentType() + " " + Base64.getEncoder().encodeToString(sum) + " " + part.getHeader("Content-ID")[0] + " "
          + MimeUtility.decodeText(part.getFileName()));
    }
  }
}
