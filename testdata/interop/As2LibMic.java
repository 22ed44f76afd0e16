import com.helger.as2lib.crypto.ECompressionType;
import com.helger.as2lib.message.AS2Message;
import com.helger.as2lib.partner.Partnership;
import com.helger.as2lib.processor.sender.AS2SenderModule;
import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.mail.internet.MimeBodyPart;
import org.bouncycastle.cms.CMSCompressedData;
import org.bouncycastle.cms.jcajce.ZlibExpanderProvider;

/**
 * Says what as2-lib takes for the MIC of a message that is compressed and neither signed nor encrypted: a third opinion
 * where OpenAS2 and we differ.
 *
 * <p>Usage: {@code java As2LibMic.java BODY}, with as2-lib on the class path and the DER body of the message in a file. It
 * prints the MIC as as2-lib would expect it in the receipt if the message were its own.
 */
public final class As2LibMic extends AS2SenderModule {
  public static void main(String[] args) throws Exception {
    byte[] body = Files.readAllBytes(Path.of(args[0]));
    byte[] entity = new CMSCompressedData(body).getContent(new ZlibExpanderProvider());
    Partnership agreed = new Partnership("third");
    agreed.setCompressionType(ECompressionType.ZLIB);
    agreed.setAS2MDNOptions("signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha-256");
    AS2Message message = new AS2Message();
    message.setPartnership(agreed);
    message.setData(new MimeBodyPart(new ByteArrayInputStream(entity)));
    System.out.println(new As2LibMic().calculateAndStoreMIC(message).getAsAS2String());
  }
}
